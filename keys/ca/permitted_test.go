package ca_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/url"
	"testing"

	"github.com/certbound/certbound/keys/ca"
)

func issuing(t *testing.T, root *ca.Authority, permitted ca.Permitted) *ca.Authority {
	t.Helper()
	a, err := root.Intermediate(ca.Spec{Subject: pkix.Name{CommonName: "issuing"}, Lifetime: 20 * day, Permitted: permitted}, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func uri(s string) []*url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return []*url.URL{u}
}

func TestNameConstraints(t *testing.T) {
	root := newRoot(t)
	both := issuing(t, root, ca.Permitted{DNS: []string{"acme.test"}, URI: []string{"trust.acme.test"}})
	uris := issuing(t, root, ca.Permitted{URI: []string{"acme.test"}})
	for _, tt := range []struct {
		name   string
		issuer *ca.Authority
		p      ca.ClientProfile
		ok     bool
	}{
		{"domain", both, ca.ClientProfile{DNSNames: []string{"acme.test"}}, true},
		{"below", both, ca.ClientProfile{DNSNames: []string{"a.b.acme.test"}}, true},
		{"only a suffix", both, ca.ClientProfile{DNSNames: []string{"evilacme.test"}}, false},
		{"one of two", both, ca.ClientProfile{DNSNames: []string{"a.acme.test", "evil.test"}}, false},
		{"uri", both, ca.ClientProfile{URIs: uri("spiffe://trust.acme.test/x")}, true},
		{"uri of another", both, ca.ClientProfile{URIs: uri("spiffe://evil.test/x")}, false},
		{"uri without host", both, ca.ClientProfile{URIs: uri("urn:acme:x")}, false},
		{"address", both, ca.ClientProfile{IPs: []net.IP{net.IPv4(10, 0, 0, 1)}}, false},
		{"address v6", both, ca.ClientProfile{IPs: []net.IP{net.IPv6loopback}}, false},
		{"mail", both, ca.ClientProfile{Emails: []string{"ops@acme.test"}}, true},
		{"mail of another", both, ca.ClientProfile{Emails: []string{"ops@evil.test"}}, false},
		{"dns by uri's domains", uris, ca.ClientProfile{DNSNames: []string{"a.acme.test"}}, true},
		{"dns of another", uris, ca.ClientProfile{DNSNames: []string{"a.evil.test"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Subject, tt.p.NotBefore, tt.p.NotAfter = pkix.Name{CommonName: "x"}, now, now.Add(day)
			cert, err := tt.issuer.IssueClient(newKey(t).Public(), tt.p)
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, ca.ErrNotPermitted) {
				t.Fatalf("error %v", err)
			}
			if tt.ok {
				if err := verify(t, cert, x509.ExtKeyUsageClientAuth, root, tt.issuer); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if !both.Cert.PermittedDNSDomainsCritical || both.Cert.MaxPathLen != 0 {
		t.Error("constraints are not critical, or the path may go on")
	}
}

func TestPermittedRefuses(t *testing.T) {
	root := newRoot(t)
	for _, domain := range []string{"", ".acme.test", "*.acme.test", "ACME.test", "10.0.0.1", "a..b", "-a.test", "ä.test"} {
		_, err := root.Intermediate(ca.Spec{Subject: pkix.Name{CommonName: "x"}, Lifetime: day, Permitted: ca.Permitted{DNS: []string{domain}}}, now)
		if err == nil {
			t.Errorf("%q is taken for a domain", domain)
		}
	}
	_, err := ca.Root(ca.Spec{Subject: pkix.Name{CommonName: "x"}, Lifetime: day, Permitted: ca.Permitted{DNS: []string{"a.test"}}}, now)
	if err == nil || err.Error() != "ca: a root is not name-constrained; constrain its intermediates" {
		t.Error(err)
	}
}
