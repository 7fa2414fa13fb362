package conformance

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

func TestTokenIsBoundToTheConnectionsCertificate(t *testing.T) {
	clause.Covers(t, "RFC8705-3-a", "RFC8705-3-1-a", "RFC8705-3-1-b", "RFC8705-7-2")
	d := harness.Shared(t)
	san := keystest.URI(d.Client(t, "acme-billing").Match["san_uri"])
	key := d.Pair(t, "acme-billing").Key
	withChain := d.Cast.Issuing.Client(t, keystest.DNS(harness.ChainDNS))
	for _, c := range []struct {
		name, client string
		pair         keystest.Pair
	}{
		{"issued by a CA", "acme-billing", d.Pair(t, "acme-billing")},
		{"another partner", "mallory-app", d.Pair(t, "mallory-app")},
		{"self-signed", "acme-edge", d.Pair(t, "acme-edge")},
		{"renewed, same key", "acme-billing", d.Bundle(t, "partners").Client(t, san, keystest.WithKey(key))},
		{"with a chain: the leaf counts", "conf-chain", withChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, payload := issued(t, d.Token(t, &c.pair, harness.TokenForm(c.client)).AccessToken)
			digest := sha256.Sum256(c.pair.Cert.Raw)
			cnf, _ := payload["cnf"].(map[string]any)
			if want := base64.RawURLEncoding.EncodeToString(digest[:]); len(cnf) != 1 || cnf["x5t#S256"] != want {
				t.Errorf("cnf is %v, want x5t#S256 %s alone", cnf, want)
			}
		})
	}
}

// TestStolenToken is what all of this is for: each twin of the one good call
// differs in the hands only.
func TestStolenToken(t *testing.T) {
	clause.Covers(t, "RFC8705-3-b", "RFC8705-3-c", "RFC8705-6-3", "RFC9110-15-5-2-a", "RFC9700-2-2-1")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	line := expectServed(t, d, d.CallAPI(t, &acme, token))
	for name, want := range map[string]string{"journey": "api_request", "client_id": "acme-billing", "partner": "acme"} {
		if line.Text(name) != want {
			t.Errorf("the log says %s %q, want %q", name, line.Text(name), want)
		}
	}

	mallory := d.Pair(t, "mallory-app")
	san := d.Client(t, "acme-billing").Match["san_uri"]
	partners := d.Bundle(t, "partners")
	sameSubject := partners.Client(t, keystest.RawSubject(acme.Cert.RawSubject), keystest.URI(san), keystest.SerialNumber(acme.Cert.SerialNumber))
	renewed := partners.Client(t, keystest.RawSubject(acme.Cert.RawSubject), keystest.URI(san), keystest.WithKey(acme.Key))
	self := keystest.SelfSigned(t, keystest.RawSubject(acme.Cert.RawSubject), keystest.URI(san))
	behind := mallory
	behind.Chain = append(behind.Chain, acme.Cert)
	for name, thief := range map[string]*keystest.Pair{
		"another partner's valid certificate":                    &mallory,
		"same subject, SAN and serial of the same CA, other key": &sameSubject,
		"renewed on the same key":                                &renewed,
		"self-signed":                                            &self,
		"the victim's certificate second in the chain":           &behind,
	} {
		t.Run(name, func(t *testing.T) {
			resp, line := expectAPIRefusal(t, d, d.APIRequest(thief, token), badToken("thumbprint_mismatch"))
			if line.Text("expected") == "" || line.Text("seen") == "" {
				t.Errorf("the operator is not told both thumbprints: %v", line)
			}
			expectNoToken(t, d, resp, token)
		})
	}
	t.Run("no certificate", func(t *testing.T) {
		expectAPIRefusal(t, d, d.APIRequest(nil, token), badToken("certificate_missing"))
	})
	t.Run("a thief's key with the victim's certificate", func(t *testing.T) {
		thief := keystest.Pair{Cert: acme.Cert, Key: mallory.Key}
		if resp, err := d.Try(t, d.APIRequest(&thief, token)); err == nil {
			t.Errorf("the handshake came through: %s", resp)
		}
	})
	t.Run("the victim is still served", func(t *testing.T) {
		expectServed(t, d, d.CallAPI(t, &acme, token))
	})
}

func TestPresentedCertificateIsCheckedAtTheResourceServer(t *testing.T) {
	clause.Covers(t, "RFC8705-3-b")
	d := harness.Shared(t)
	partners := d.Bundle(t, "partners")
	for _, c := range []struct {
		name   string
		pair   keystest.Pair
		reason string
	}{
		{"expired", partners.Client(t, keystest.Expired()), "certificate_expired"},
		{"not yet valid", partners.Client(t, keystest.NotYetValid()), "certificate_not_yet_valid"},
		{"weak", partners.Client(t, keystest.RSA(1024)), "certificate_weak"},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := forged(d, goodClaims(d, c.pair))
			expectAPIRefusal(t, d, d.APIRequest(&c.pair, token), badToken(c.reason))
		})
	}
	t.Run("the twin: any CA will do here", func(t *testing.T) {
		stranger := keystest.NewCA(t, "unknown to the resource server").Client(t)
		expectServed(t, d, d.CallAPI(t, &stranger, forged(d, goodClaims(d, stranger))))
	})
}

func TestSelfSignedClientsTokenWorks(t *testing.T) {
	clause.Covers(t, "RFC8705-6-2")
	d := harness.Shared(t)
	edge := d.Pair(t, "acme-edge")
	token := d.Token(t, &edge, harness.TokenForm("acme-edge")).AccessToken
	expectServed(t, d, d.CallAPI(t, &edge, token))
	other := keystest.SelfSigned(t, keystest.RawSubject(edge.Cert.RawSubject))
	expectAPIRefusal(t, d, d.APIRequest(&other, token), badToken("thumbprint_mismatch"))
}

// TestBindingOnEveryRequest mixes tokens on one connection: what was good a
// moment ago on it says nothing.
func TestBindingOnEveryRequest(t *testing.T) {
	clause.Covers(t, "RFC8705-3-e")
	d, acme := victim(t)
	mallory := d.Pair(t, "mallory-app")
	own := d.Token(t, &mallory, harness.TokenForm("mallory-app")).AccessToken
	stolen := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	expectServed(t, d, d.CallAPI(t, &acme, stolen)) // the signature is in every cache now
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			connection := d.HTTPClient(t, &mallory, nil)
			connection.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
			for _, token := range []string{own, stolen, own, stolen, stolen, own} {
				req := d.APIRequest(nil, token)
				req.Client = connection
				if token == own {
					expectServed(t, d, d.Send(t, req))
					continue
				}
				expectAPIRefusal(t, d, req, badToken("thumbprint_mismatch"))
			}
		})
	}
}

func TestBindingUnderParallelRequests(t *testing.T) {
	clause.Covers(t, "RFC8705-3-e")
	d, acme := victim(t)
	mallory := d.Pair(t, "mallory-app")
	tokens := map[string]string{
		"acme":    d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken,
		"mallory": d.Token(t, &mallory, harness.TokenForm("mallory-app")).AccessToken,
	}
	hands := map[string]*http.Client{"acme": d.HTTPClient(t, &acme, nil), "mallory": d.HTTPClient(t, &mallory, nil)}
	var wg sync.WaitGroup
	for i := range 400 {
		hand, owner := "acme", "acme"
		if i%2 == 1 {
			hand = "mallory"
		}
		if i%3 == 1 {
			owner = "mallory"
		}
		wg.Go(func() {
			req := d.APIRequest(nil, tokens[owner])
			req.Client = hands[hand]
			resp, err := d.Try(t, req)
			if err != nil {
				t.Errorf("%s's token in %s's hands: %v", owner, hand, err)
				return
			}
			if want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[hand == owner]; resp.Status != want {
				t.Errorf("%s's token in %s's hands: %s", owner, hand, resp)
			}
		})
	}
	wg.Wait()
}

func TestUnboundTokenIsRefused(t *testing.T) {
	clause.Covers(t, "RFC8705-3-d", "RFC7800-3", "RFC7800-3-1", "RFC8705-3-1-b", "RFC8705-7-2", "RFC9700-4-10-1")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	thumb := good["cnf"].(map[string]any)["x5t#S256"].(string)
	digest := sha256.Sum256(acme.Cert.Raw)
	spki := sha256.Sum256(acme.Cert.RawSubjectPublicKeyInfo)
	tbs := sha256.Sum256(acme.Cert.RawTBSCertificate)
	pem := sha256.Sum256(harness.CertificatePEM(acme.Cert))
	b64 := base64.RawURLEncoding.EncodeToString
	x5t := func(value any) any { return map[string]any{"x5t#S256": value} }
	for _, c := range []struct {
		name    string
		cnf     any
		reasons []string
	}{
		{"absent", nil, []string{"token_unbound"}},
		{"null", text("null"), []string{"token_unbound", "token_malformed"}},
		{"empty", map[string]any{}, []string{"token_unbound"}},
		{"text", thumb, []string{"token_unbound", "token_malformed"}},
		{"list", []any{x5t(thumb)}, []string{"token_unbound", "token_malformed"}},
		{"number", 1, []string{"token_unbound", "token_malformed"}},
		{"true", true, []string{"token_unbound", "token_malformed"}},
		{"jkt alone", map[string]any{"jkt": thumb}, []string{"token_unbound"}},
		{"kid alone", map[string]any{"kid": "x"}, []string{"token_unbound"}},
		{"SHA-1 thumbprint alone", map[string]any{"x5t": thumb}, []string{"token_unbound"}},
		{"two methods", map[string]any{"x5t#S256": thumb, "jkt": thumb}, []string{"token_unbound", "token_malformed"}},
		{"other letter case", map[string]any{"X5T#S256": thumb}, []string{"token_unbound"}},
		{"padded", x5t(thumb + "="), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"hex", x5t(hex.EncodeToString(digest[:])), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"standard alphabet", x5t(strings.NewReplacer("-", "+", "_", "/").Replace(thumb) + "="), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"cut", x5t(thumb[:42]), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"lengthened", x5t(thumb + "A"), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"with a blank", x5t(" " + thumb), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"with a line break", x5t(thumb[:20] + "\n" + thumb[20:]), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"empty text", x5t(""), []string{"token_unbound", "token_malformed", "thumbprint_mismatch"}},
		{"number inside", x5t(1), []string{"token_unbound", "token_malformed"}},
		{"list inside", x5t([]any{thumb}), []string{"token_unbound", "token_malformed"}},
		{"of the public key", x5t(b64(spki[:])), []string{"thumbprint_mismatch"}},
		{"of the signed part", x5t(b64(tbs[:])), []string{"thumbprint_mismatch"}},
		{"of the PEM text", x5t(b64(pem[:])), []string{"thumbprint_mismatch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := forged(d, good.with("cnf", c.cnf))
			if c.name == "null" {
				token = forged(d, text(strings.Replace(good.with("cnf", 777).String(), `"cnf":777`, `"cnf":null`, 1)))
			}
			expectOneOf(t, d, d.APIRequest(&acme, token), c.reasons...)
			// Without a certificate it is no better.
			expectOneOf(t, d, d.APIRequest(nil, token), append(c.reasons, "certificate_missing")...)
		})
	}
	for _, name := range []string{"CNF", "Cnf", "x5t#S256"} {
		t.Run("claim "+name+" instead", func(t *testing.T) {
			payload := good.with("cnf", nil).with(name, good["cnf"])
			expectAPIRefusal(t, d, d.APIRequest(&acme, forged(d, payload)), badToken("token_unbound"))
		})
	}
	t.Run("the twin", func(t *testing.T) { expectServed(t, d, d.CallAPI(t, &acme, forged(d, good))) })
}

// expectOneOf is expectAPIRefusal where the RFCs leave open which check comes
// first.
func expectOneOf(t *testing.T, d *harness.Dev, req harness.Request, reasons ...string) {
	t.Helper()
	before := d.Hits(t)
	resp := d.Send(t, req)
	reason := resp.Refusal(t).Reason
	if !slices.Contains(reasons, reason) {
		t.Errorf("reason %s, want one of %v: %s", reason, reasons, resp)
	}
	expectRefusal(t, d, resp, badToken(reason))
	if after := d.Hits(t); after != before {
		t.Errorf("a refused request reached the API")
	}
}

// TestNoSessionResumption shows that a handshake is never abbreviated on an
// mTLS listener: each connection proves the key and shows the certificate anew.
func TestNoSessionResumption(t *testing.T) {
	clause.Covers(t, "RFC8705-3-e", "RFC8446-2-2", "RFC8446-8", "RFC9325-3-4", "RFC9440-3-3")
	d, acme := victim(t)
	cache := tls.NewLRUClientSessionCache(8)
	for _, target := range []string{d.Issuer + "/.well-known/oauth-authorization-server", d.Proxy + "/accounts"} {
		for i := range 3 {
			resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: target, Pair: &acme,
				TLS: func(c *tls.Config) { c.ClientSessionCache = cache }})
			if resp.TLS.DidResume {
				t.Errorf("connection %d to %s was resumed", i, target)
			}
		}
	}
}

// expectNoToken checks that a token is neither in the answer nor in the log.
func expectNoToken(t *testing.T, d *harness.Dev, resp *harness.Response, token string) {
	t.Helper()
	signature := token[strings.LastIndexByte(token, '.')+1:]
	for name, values := range resp.Header {
		if strings.Contains(strings.Join(values, " "), signature) {
			t.Errorf("header %s holds the token", name)
		}
	}
	if strings.Contains(string(resp.Body), signature) {
		t.Error("the body holds the token")
	}
	if strings.Contains(d.Stderr.String(), signature) || strings.Contains(d.Stdout.String(), signature) {
		t.Error("the log holds the token")
	}
}
