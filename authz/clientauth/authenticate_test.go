package clientauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// records is one client, its certificates, and what has been revoked. It counts
// the questions about revocation.
type records struct {
	Records    // what else there is, nobody is to ask for: nil
	client     storage.Client
	registered []storage.Certificate
	denied     map[thumbprint.Thumbprint]bool
	err        error
	asked      int
}

func (r *records) Client(_ context.Context, id string) (storage.Client, error) {
	if id != r.client.ID {
		return storage.Client{}, storage.ErrNotFound
	}
	return r.client, nil
}

func (r *records) ClientCertificates(context.Context, string) ([]storage.Certificate, error) {
	return r.registered, nil
}

func (r *records) Certificate(_ context.Context, t thumbprint.Thumbprint) (storage.Certificate, error) {
	for _, c := range r.registered {
		if c.Thumbprint == t {
			return c, nil
		}
	}
	return storage.Certificate{}, storage.ErrNotFound
}

func (r *records) CertificateDenied(_ context.Context, t thumbprint.Thumbprint) (bool, error) {
	r.asked++
	return r.denied[t], r.err
}

// clients are one of each method, and the certificate that authenticates it.
func clients(t *testing.T) map[string]struct {
	records *records
	pair    keystest.Pair
	trust   *trust.Set
} {
	t.Helper()
	ca := keystest.NewCA(t, "Partners CA")
	bundle, err := trust.New(trust.Spec{Name: "partners", Version: 1, Anchors: ca.CertPEM()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pki, self := ca.Client(t, keystest.DNS("a.example")), keystest.SelfSigned(t)
	matcher, err := NewMatcher(storage.SANDNS, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]struct {
		records *records
		pair    keystest.Pair
		trust   *trust.Set
	}{
		"pki": {&records{client: storage.Client{ID: "a", PartnerID: "acme", Method: storage.TLSClientAuth, Matcher: matcher, TrustBundle: "partners"}},
			pki, trust.NewSet([]*trust.Bundle{bundle}, nil)},
		"self-signed": {&records{
			client:     storage.Client{ID: "a", PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth},
			registered: []storage.Certificate{{Thumbprint: thumbprint.Of(self.Cert)}},
		}, self, trust.NewSet(nil, nil)},
	}
}

// request is a GET whose query names the client.
func request(pair *keystest.Pair, query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/?"+query, nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if pair != nil {
		r.TLS.PeerCertificates = append([]*x509.Certificate{pair.Cert}, pair.Chain...)
	}
	return r
}

func form(t *testing.T, r *http.Request) oauth.Form {
	t.Helper()
	f, refusal := oauth.ParseQuery(r)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return f
}

func TestDeniedCertificate(t *testing.T) {
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			a, err := New(Config{Records: c.records, Trust: c.trust, Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			r := request(&c.pair, "client_id=a")
			authenticate := func() (*Authenticated, *oauth.Error) {
				return a.Authenticate(r, form(t, r), &decision.Evidence{})
			}
			if client, refusal := authenticate(); refusal != nil || client.Client.ID != "a" || c.records.asked != 1 {
				t.Fatalf("before: %+v, %+v, asked %d times", client, refusal, c.records.asked)
			}
			c.records.denied = map[thumbprint.Thumbprint]bool{thumbprint.Of(c.pair.Cert): true}
			_, refusal := authenticate()
			if refusal == nil || refusal.Reason != decision.CertificateRevoked || refusal.Answer().Status != 401 || refusal.Answer().Public != decision.ClientAuthenticationFailed {
				t.Errorf("denied: %+v", refusal)
			}
			// The certificate of somebody else is his problem.
			c.records.denied = map[thumbprint.Thumbprint]bool{{1}: true}
			if _, refusal := authenticate(); refusal != nil {
				t.Errorf("another one denied: %+v", refusal)
			}
			c.records.err = errors.New("the disk is gone")
			if _, refusal := authenticate(); refusal == nil || refusal.Reason != decision.StorageUnavailable {
				t.Errorf("nobody knows: %+v", refusal)
			}
		})
	}
}

// TestDenialIsAskedInItsPlace: after the client, so that a stranger costs no more
// than before, and before the method, whose reasons would hide it.
func TestDenialIsAskedInItsPlace(t *testing.T) {
	c := clients(t)["pki"]
	other := keystest.SelfSigned(t)
	c.records.denied = map[thumbprint.Thumbprint]bool{thumbprint.Of(other.Cert): true}
	a := &Authenticator{Config{Records: c.records, Trust: c.trust, Clock: time.Now}, new(descriptions)}
	for _, tt := range []struct {
		query string
		want  decision.Reason
		asked int
	}{
		{"client_id=nobody", decision.ClientUnknown, 0},
		{"client_id=a&client_secret=x", decision.MultipleCredentials, 0},
		{"client_id=a", decision.CertificateRevoked, 1},
	} {
		r := request(&other, tt.query)
		_, refusal := a.Authenticate(r, form(t, r), &decision.Evidence{})
		if refusal == nil || refusal.Reason != tt.want || c.records.asked != tt.asked {
			t.Errorf("%s: %+v, asked %d times", tt.query, refusal, c.records.asked)
		}
	}
}

// TestAuthenticateAs: everything holds but the rule of one credential, because
// the token in Authorization is what names the client.
func TestAuthenticateAs(t *testing.T) {
	c := clients(t)["pki"]
	stranger := keystest.SelfSigned(t, keystest.DNS("a.example"))
	for name, tt := range map[string]struct {
		pair   *keystest.Pair
		id     string
		change func(*records)
		want   decision.Reason // empty: authenticated
	}{
		"good":            {pair: &c.pair, id: "a"},
		"no certificate":  {id: "a", want: decision.CertificateMissing},
		"another client":  {pair: &c.pair, id: "b", want: decision.ClientUnknown},
		"no client":       {pair: &c.pair, want: decision.RequestMalformed},
		"untrusted":       {pair: &stranger, id: "a", want: decision.CertificateUntrusted},
		"disabled":        {pair: &c.pair, id: "a", want: decision.ClientDisabled, change: func(r *records) { r.client.Disabled = true }},
		"partner off":     {pair: &c.pair, id: "a", want: decision.ClientDisabled, change: func(r *records) { r.client.PartnerDisabled = true }},
		"certificate off": {pair: &c.pair, id: "a", want: decision.CertificateRevoked, change: func(r *records) { r.denied = map[thumbprint.Thumbprint]bool{thumbprint.Of(c.pair.Cert): true} }},
	} {
		t.Run(name, func(t *testing.T) {
			stored := *c.records
			if tt.change != nil {
				tt.change(&stored)
			}
			a := &Authenticator{Config{Records: &stored, Trust: c.trust, Clock: time.Now}, new(descriptions)}
			r := request(tt.pair, "client_id=ignored")
			r.Header.Set("Authorization", "Bearer token")
			var e decision.Evidence
			client, refusal := a.AuthenticateAs(r, tt.id, &e)
			switch {
			case tt.want == "" && (refusal != nil || client.Client.ID != "a" || e.ClientID != "a" || e.Partner != "acme"):
				t.Errorf("%+v, evidence %+v", refusal, e)
			case tt.want != "" && (refusal == nil || refusal.Reason != tt.want || client != nil || e.ClientID != ""):
				t.Errorf("%+v, want %s", refusal, tt.want)
			}
		})
	}
}
