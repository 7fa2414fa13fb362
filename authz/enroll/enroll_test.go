package enroll

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestNewLinkRefuses(t *testing.T) {
	pki := func(kind storage.MatcherKind) storage.Client {
		return storage.Client{ID: "a", Method: storage.TLSClientAuth, TrustBundle: "b", Matcher: storage.Matcher{Kind: kind, Value: "v"}}
	}
	day := 24 * time.Hour
	for _, tt := range []struct {
		name               string
		client             storage.Client
		lifetime, validity time.Duration
		want               error
		ok                 bool
	}{
		{"uri", pki(storage.SANURI), day, day, nil, true},
		{"dns", pki(storage.SANDNS), MaxLifetime, MaxValidity, nil, true},
		{"self-signed", storage.Client{Method: storage.SelfSignedTLSClientAuth}, day, day, ErrNotPKI, false},
		{"dn", pki(storage.SubjectDN), day, day, ErrNoSAN, false},
		{"ip", pki(storage.SANIP), day, day, ErrNoSAN, false},
		{"too long a life", pki(storage.SANURI), MaxLifetime + time.Second, day, nil, false},
		{"no life", pki(storage.SANURI), 0, day, nil, false},
		{"half a second", pki(storage.SANURI), day + time.Second/2, day, nil, false},
		{"good for too long", pki(storage.SANURI), day, MaxValidity + time.Second, nil, false},
		{"good for nothing", pki(storage.SANURI), day, 0, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			link, err := NewLink(tt.client, tt.lifetime, tt.validity, "admin", now)
			if tt.ok != (err == nil) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			at := link.URL("https://as.example")
			secret, found := strings.CutPrefix(at, "https://as.example/enroll#")
			if !found || !wellFormed(secret) || hash(secret) != link.Enrollment.SecretHash {
				t.Errorf("the link is %s", at)
			}
			if strings.Contains(fmt.Sprintf("%v", link.Enrollment), secret) {
				t.Error("the record holds the secret")
			}
		})
	}
}

// TestNewIssuerRefuses: only what can do little harm goes online.
func TestNewIssuerRefuses(t *testing.T) {
	day := 24 * time.Hour
	root, err := ca.NewRoot(pkix.Name{CommonName: "Root"}, 100*day, now)
	if err != nil {
		t.Fatal(err)
	}
	make := func(p ca.Permitted) *ca.Authority {
		a, err := root.Intermediate(ca.Spec{Subject: pkix.Name{CommonName: "I"}, Lifetime: 10 * day, Permitted: p}, now)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	good, free := make(ca.Permitted{DNS: []string{"a.example"}}), make(ca.Permitted{})
	other, err := ca.NewRoot(pkix.Name{CommonName: "Other"}, 100*day, now)
	if err != nil {
		t.Fatal(err)
	}
	bundle := func(a *ca.Authority) *trust.Bundle {
		b, err := trust.New(trust.Spec{Name: "b", Version: 1, Anchors: ca.EncodeCertificates(a.Cert)}, now)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	leafKey, err := ca.NewKey(ca.DefaultKeyKind)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := good.IssueClient(leafKey.Public(), ca.ClientProfile{DNSNames: []string{"a.example"}, NotBefore: now, NotAfter: now.Add(day)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		chain      []byte
		a          *ca.Authority
		bundle     *ca.Authority
		at         time.Time
	}{
		{"good", "", ca.EncodeCertificates(good.Cert), good, root, now},
		{"another key", "the key is not that of the first certificate", ca.EncodeCertificates(good.Cert), free, root, now},
		{"unconstrained", "must have critical name constraints", ca.EncodeCertificates(free.Cert), free, root, now},
		{"a root", "must have path length 0", ca.EncodeCertificates(root.Cert), root, root, now},
		{"a client", "is not that of a CA", ca.EncodeCertificates(leaf), &ca.Authority{Cert: leaf, Key: leafKey}, root, now},
		{"expired", "has expired", ca.EncodeCertificates(good.Cert), good, root, now.Add(11 * day)},
		{"another bundle", "refuses what this CA signs", ca.EncodeCertificates(good.Cert), good, other, now},
		{"no PEM", "holds no certificate", []byte("x"), good, root, now},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewIssuer(tt.chain, tt.a.Key, bundle(tt.bundle), tt.at)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1/32", "[2001:db8::1]:5": "2001:db8::/64", "[2001:db8::ffff]:6": "2001:db8::/64",
		"[::ffff:192.0.2.1]:5": "192.0.2.1/32", "@": "invalid Prefix",
	} {
		if got := network(remote).String(); got != want {
			t.Errorf("%s is of %s, want %s", remote, got, want)
		}
	}
}

// TestLimiterForgets: any number of addresses takes bounded memory.
func TestLimiterForgets(t *testing.T) {
	l := newLimiter(1)
	for i := range 2 * maxAddresses {
		if !l.allow(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), now) {
			t.Fatal("the first request of an address is refused")
		}
	}
	if len(l.seen) != maxAddresses {
		t.Errorf("%d are remembered", len(l.seen))
	}
}

// FuzzParse: what is accepted is a request for something, and errors repeat nothing
// of what was sent.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"secret":"a","csr":"b"}`, `{"csr":"b"}`, `{"csr":null}`, `{"CSR":"b"}`, `{"csr":"a","csr":"b"}`, `[]`, `{"csr":["a"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parse(text)
		if err == nil && b.CSR == "" {
			t.Error("accepted without a request")
		}
	})
}
