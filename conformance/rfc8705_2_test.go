package conformance

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

func TestGoodClientGetsToken(t *testing.T) {
	clause.Covers(t, "RFC8705-2-b", "RFC6749-3-2-1")
	d := harness.Shared(t)
	for _, c := range d.Clients {
		t.Run(c.ClientID, func(t *testing.T) {
			pair := d.Pair(t, c.ClientID)
			resp := d.PostToken(t, &pair, harness.TokenForm(c.ClientID))
			if resp.Status != http.StatusOK {
				t.Fatalf("want a token, got %s", resp)
			}
			line := d.Decision(t, resp)
			for name, want := range map[string]string{
				"journey": "token_request", "outcome": "allow", "client_id": c.ClientID,
				"partner": c.Partner, "auth_method": c.Method,
			} {
				if line.Text(name) != want {
					t.Errorf("the log says %s %q, want %q", name, line.Text(name), want)
				}
			}
		})
	}
}

func TestClientIDIsRequired(t *testing.T) {
	clause.Covers(t, "RFC8705-2-a", "RFC6749-2-3-1")
	d, pair := victim(t)
	for name, query := range map[string]string{"nowhere": "", "only in the query": "?client_id=acme-billing"} {
		t.Run(name, func(t *testing.T) {
			req := d.TokenRequest(&pair, "grant_type=client_credentials")
			req.URL += query
			expectRefusal(t, d, d.Send(t, req), badRequest("request_malformed"))
		})
	}
}

func TestNoCertificate(t *testing.T) {
	clause.Covers(t, "RFC8705-2-c", "RFC8705-6-1", "RFC8705-3-4", "RFC6749-10-2", "RFC6749-2-2", "RFC9700-2-5")
	d := harness.Shared(t)
	for _, id := range []string{"acme-billing", "acme-edge", "nobody"} {
		t.Run(id, func(t *testing.T) {
			resp := d.PostToken(t, nil, harness.TokenForm(id))
			expectRefusal(t, d, resp, badClient("certificate_missing"))
			if got := resp.Header.Values("WWW-Authenticate"); len(got) != 0 {
				t.Errorf("WWW-Authenticate %q without an Authorization header in the request", got)
			}
		})
	}
}

func TestNothingStandsInForTheHandshake(t *testing.T) {
	clause.Covers(t, "RFC8705-2-b", "RFC9440-2-4-b", "RFC9440-4-a")
	d, pair := victim(t)
	der := base64.StdEncoding.EncodeToString(pair.Cert.Raw)
	pem := string(harness.CertificatePEM(pair.Cert))
	for name, value := range map[string]string{
		"Client-Cert":                 ":" + der + ":",
		"client_cert":                 ":" + der + ":",
		"X-SSL-Client-Cert":           der,
		"X-Client-Cert":               der,
		"SSL-Client-Cert":             der,
		"SSL_CLIENT_CERT":             der,
		"X-ARR-ClientCert":            der,
		"X-Forwarded-Tls-Client-Cert": der,
		"X-Amzn-Mtls-Clientcert":      der,
		"X-Forwarded-Client-Cert":     `By=x;Cert="` + der + `"`,
		"X-Certbound-Client":          "acme-billing",
		"X-Client-Verify":             "SUCCESS",
	} {
		t.Run(name, func(t *testing.T) {
			req := d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode())
			req.Header[name] = []string{value}
			expectRefusal(t, d, d.Send(t, req), badClient("certificate_missing"))
		})
	}
	t.Run("another certificate in the header than in the handshake", func(t *testing.T) {
		other := d.Pair(t, "mallory-app")
		req := d.TokenRequest(&other, harness.TokenForm("acme-billing").Encode())
		req.Header["Client-Cert"] = []string{":" + der + ":"}
		expectRefusal(t, d, d.Send(t, req), unbelieved("subject_mismatch"))
	})
	t.Run("certificate in the form", func(t *testing.T) {
		form := harness.TokenForm("acme-billing", "client_certificate", pem)
		expectRefusal(t, d, d.PostToken(t, nil, form), badClient("certificate_missing"))
	})
}

func TestPrivateKeyIsProven(t *testing.T) {
	clause.Covers(t, "RFC8705-2-d")
	d, pair := victim(t)
	thief := keystest.Pair{Cert: pair.Cert, Chain: pair.Chain, Key: forge.NewKey()}
	req := d.TokenRequest(&thief, harness.TokenForm("acme-billing").Encode())
	if resp, err := d.Try(t, req); err == nil {
		t.Fatalf("a handshake signed by another key came through: %s", resp)
	}
	if resp := d.PostToken(t, &pair, harness.TokenForm("acme-billing")); resp.Status != http.StatusOK {
		t.Errorf("the twin with the right key: %s", resp)
	}
}

func TestMethodComesFromRegistration(t *testing.T) {
	clause.Covers(t, "RFC8705-2-e")
	d := harness.Shared(t)
	san := d.Client(t, "acme-billing").Match["san_uri"]
	t.Run("self-signed certificate for a PKI client", func(t *testing.T) {
		self := keystest.SelfSigned(t, keystest.URI(san))
		resp := d.PostToken(t, &self, harness.TokenForm("acme-billing"))
		expectRefusal(t, d, resp, unbelieved("certificate_untrusted"))
	})
	t.Run("PKI certificate for a self-signed client", func(t *testing.T) {
		pair := d.Bundle(t, "partners").Client(t, keystest.CommonName("acme-edge"), keystest.URI(san))
		resp := d.PostToken(t, &pair, harness.TokenForm("acme-edge"))
		expectRefusal(t, d, resp, unbelieved("certificate_not_registered"))
	})
	t.Run("a registered self-signed certificate for a PKI client", func(t *testing.T) {
		self := d.Cast.SelfSigned
		resp := d.PostToken(t, &self, harness.TokenForm("conf-dns"))
		expectRefusal(t, d, resp, unbelieved("certificate_untrusted"))
	})
}

func TestUnknownAndDisabledClient(t *testing.T) {
	clause.Covers(t, "RFC8705-2-c")
	d, pair := victim(t)
	for _, id := range []string{"nobody", "ACME-BILLING", "acme-billing.", "acme", "a", "'OR'1'='1"} {
		t.Run(id, func(t *testing.T) {
			expectRefusal(t, d, d.PostToken(t, &pair, harness.TokenForm(id)), unbelieved("client_unknown"))
		})
	}
	t.Run("disabled", func(t *testing.T) {
		own := d.Cast.Issuing.Client(t, keystest.DNS("disabled.conformance.test"))
		expectRefusal(t, d, d.PostToken(t, &own, harness.TokenForm("conf-disabled")), unbelieved("client_disabled"))
	})
}

// TestFailuresLookAlike compares the bytes: a stranger must not be able to tell
// an unknown client from one whose certificate does not match.
func TestFailuresLookAlike(t *testing.T) {
	clause.Covers(t, "RFC8705-2-c")
	d, pair := victim(t)
	partners := d.Bundle(t, "partners")
	san := d.Client(t, "acme-billing").Match["san_uri"]
	stranger := partners.Client(t, keystest.CommonName("stranger"))
	self := keystest.SelfSigned(t)
	foreign := keystest.NewCA(t, "nobody's CA").Client(t, keystest.URI(san))
	disabled := d.Cast.Issuing.Client(t, keystest.DNS("disabled.conformance.test"))
	var first *harness.Response
	for _, c := range []struct {
		name, client string
		pair         *keystest.Pair
	}{
		{"unknown client", "nobody", &pair},
		{"stranger's subject", "acme-billing", &stranger},
		{"self-signed", "acme-billing", &self},
		{"untrusted CA", "acme-billing", &foreign},
		{"not registered", "acme-edge", &self},
		{"another client's", "mallory-app", &pair},
		{"disabled", "conf-disabled", &disabled},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := d.PostToken(t, c.pair, harness.TokenForm(c.client))
			if first == nil {
				first = resp
			}
			if got, want := anonymous(t, resp), anonymous(t, first); got != want {
				t.Errorf("this failure differs from the first:\n%s\n%s", got, want)
			}
		})
	}
}

// anonymous is a response without what differs for every request.
func anonymous(t *testing.T, resp *harness.Response) string {
	t.Helper()
	id := resp.Refusal(t).RequestID
	header := resp.Header.Clone()
	header.Del("Date")
	header.Del("X-Request-Id")
	body := strings.ReplaceAll(string(resp.Body), id, "")
	return fmt.Sprint(resp.Status, header, body)
}

func TestHandshakeGoesOnWithoutCANames(t *testing.T) {
	clause.Covers(t, "RFC8705-6-1", "RFC8446-4-2-4")
	d, pair := victim(t)
	var names [][]byte
	asked := false
	req := d.TokenRequest(&pair, harness.TokenForm("acme-billing").Encode())
	req.TLS = func(config *tls.Config) {
		cert := pair.TLS()
		config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked, names = true, info.AcceptableCAs
			return &cert, nil
		}
	}
	if resp := d.Send(t, req); resp.Status != http.StatusOK {
		t.Fatalf("want a token, got %s", resp)
	}
	if !asked || len(names) != 0 {
		t.Errorf("certificate asked for: %t; CA names sent to every caller: %d", asked, len(names))
	}
}
