package inspect_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/inspect"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

func TestVerifyMatches(t *testing.T) {
	root := keystest.NewCA(t, "root")
	spec := &trust.Spec{Name: "partners", Version: 1, Anchors: root.CertPEM()}
	pki := root.Client(t, keystest.URI("spiffe://acme/billing")).Cert
	edge := keystest.SelfSigned(t).Cert
	matching := func(kind storage.MatcherKind, value string) *registration.Registered {
		m, err := clientauth.NewMatcher(kind, value)
		if err != nil {
			t.Fatal(err)
		}
		return &registration.Registered{Client: storage.Client{ID: "a", Method: storage.TLSClientAuth, Matcher: m, Disabled: true}}
	}
	self := &registration.Registered{
		Client:       storage.Client{ID: "a", Method: storage.SelfSignedTLSClientAuth},
		Certificates: []storage.Certificate{{Thumbprint: thumbprint.Of(edge)}},
	}
	for name, c := range map[string]struct {
		cert   *x509.Certificate
		client *registration.Registered
		want   decision.Reason
	}{
		"path only":               {pki, nil, ""},
		"its URI":                 {pki, matching(storage.SANURI, "spiffe://acme/billing"), ""},
		"another URI":             {pki, matching(storage.SANURI, "spiffe://acme/Billing"), decision.SubjectMismatch},
		"registered self-signed":  {edge, self, ""},
		"another self-signed":     {pki, self, decision.CertificateNotRegistered},
		"self-signed, by bundle":  {edge, nil, decision.CertificateUntrusted},
		"no such method, no luck": {pki, &registration.Registered{Client: storage.Client{ID: "a", Method: "none"}}, decision.MethodMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := inspect.Verify(&certinfo.File{Certificates: []*x509.Certificate{c.cert}}, inspect.Request{Bundle: spec, Client: c.client, Now: time.Now()})
			if err != nil || v.Reason != c.want || v.Accepted != (c.want == "") || len(v.Warnings) > 0 {
				t.Errorf("%+v, %v; want %q", v, err, c.want)
			}
		})
	}
	if _, err := inspect.Verify(&certinfo.File{Certificates: []*x509.Certificate{pki}}, inspect.Request{Now: time.Now()}); err == nil {
		t.Error("verified against no bundle")
	}
}

func TestVerifyWarnsOfABundleThatCannotBeRegistered(t *testing.T) {
	old := keystest.NewCA(t, "old", keystest.Expired())
	v, err := inspect.Verify(&certinfo.File{Certificates: []*x509.Certificate{old.Client(t).Cert}},
		inspect.Request{Bundle: &trust.Spec{Name: "old", Version: 1, Anchors: old.CertPEM()}, Now: time.Now()})
	if err != nil || v.Reason != decision.CertificateUntrusted || len(v.Warnings) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}
