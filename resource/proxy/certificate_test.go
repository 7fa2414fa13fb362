package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/proxy"
)

// TestCertificateHeaders: the one header that is configured, ours alone, and with
// the chain the caller sent.
func TestCertificateHeaders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		identity     proxy.Identity
		header       string
		chain, other []string
	}{
		{proxy.Identity{}, "Client-Cert", nil, []string{"Client-Cert-Chain", "X-Forwarded-Client-Cert"}},
		{proxy.Identity{Certificate: proxy.ClientCert, Chain: true}, "Client-Cert", []string{"Client-Cert-Chain"}, []string{"X-Forwarded-Client-Cert"}},
		{proxy.Identity{Certificate: proxy.XFCC}, "X-Forwarded-Client-Cert", nil, []string{"Client-Cert", "Client-Cert-Chain"}},
		{proxy.Identity{Certificate: proxy.XFCC, Chain: true}, "X-Forwarded-Client-Cert", nil, []string{"Client-Cert", "Client-Cert-Chain"}},
		{proxy.Identity{Certificate: proxy.NoCertificate}, "", nil, []string{"Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert"}},
	} {
		w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) { c.Identity = tt.identity })
		pair := w.ca.Client(t, keystest.CommonName(`evil",Hash=0;"; x`), keystest.DNS("acme.test"))
		token := w.token(t, func(c *accesstoken.Claims) { c.Thumbprint = thumbprint.Of(pair.Cert) })
		certificate := pair.TLS()
		certificate.Certificate = append(certificate.Certificate, w.ca.Cert.Raw)
		a := w.sendWith(t, &certificate, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+token+
			"\nClient-Cert: :evil:\nClient-Cert-Chain: :evil:\nX-Forwarded-Client-Cert: Hash=evil\n\n")
		if a.StatusCode != 200 {
			t.Fatalf("%+v: %d %s", tt.identity, a.StatusCode, a.body)
		}
		for _, name := range tt.other {
			if values := w.values(name); values != nil {
				t.Errorf("%+v: %s: %q", tt.identity, name, values)
			}
		}
		if tt.header == "" {
			continue
		}
		values := w.values(tt.header)
		if len(values) != 1 {
			t.Fatalf("%+v: %s: %q", tt.identity, tt.header, values)
		}
		for _, name := range tt.chain {
			if got, want := strings.Join(w.values(name), "&"), ":"+base64.StdEncoding.EncodeToString(w.ca.Cert.Raw)+":"; got != want {
				t.Errorf("%+v: %s: %q", tt.identity, name, got)
			}
		}
		if tt.identity.Certificate == proxy.XFCC {
			checkXFCC(t, values[0], pair, w.ca.Cert.Raw, tt.identity.Chain)
		}
	}
}

// member is one name=value of an XFCC element, by Envoy's rule for quotes.
var member = regexp.MustCompile(`^(Hash|Cert|Chain|Subject|URI|DNS)=("(?:[^"\\]|\\.)*"|[^;,"]*)(;|$)`)

func checkXFCC(t *testing.T, value string, pair keystest.Pair, issuer []byte, chain bool) {
	t.Helper()
	got := map[string]string{}
	for rest := value; rest != ""; {
		m := member.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("cannot be read from %q", rest)
		}
		if _, twice := got[m[1]]; twice {
			t.Errorf("%s is there twice", m[1])
		}
		got[m[1]] = strings.Trim(m[2], `"`)
		rest = rest[len(m[0]):]
	}
	thumb := thumbprint.Of(pair.Cert)
	if got["Hash"] != hex.EncodeToString(thumb[:]) || got["DNS"] != "acme.test" || !strings.Contains(got["Subject"], "evil") {
		t.Errorf("%v", got)
	}
	for name, want := range map[string][][]byte{"Cert": {pair.Cert.Raw}, "Chain": {pair.Cert.Raw, issuer}} {
		if name == "Chain" && !chain {
			continue
		}
		text, err := url.PathUnescape(got[name])
		must(t, err)
		rest := []byte(text)
		for _, der := range want {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil || !bytes.Equal(block.Bytes, der) {
				t.Errorf("%s is not as presented", name)
			}
		}
		if len(rest) > 0 {
			t.Errorf("%s has more: %q", name, rest)
		}
	}
	if _, there := got["Chain"]; there != chain {
		t.Errorf("a chain: %v", there)
	}
}

func TestIdentityFaults(t *testing.T) {
	t.Parallel()
	verifier := newWorld(t).verifier
	for _, i := range []proxy.Identity{{Certificate: "x"}, {Certificate: proxy.NoCertificate, Chain: true}} {
		if _, err := proxy.New(proxy.Config{Verifier: verifier, Routes: []proxy.Route{good(t, "/")}, Identity: i}); err == nil {
			t.Errorf("%+v is accepted", i)
		}
	}
}

// sendWith is send with any certificate chain.
func (w *world) sendWith(t testing.TB, certificate *tls.Certificate, request string) *answer {
	t.Helper()
	c := w.tlsConfig(keystest.Pair{})
	c.Certificates = []tls.Certificate{*certificate}
	return w.sendBy(t, c, request)
}
