package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/keystest"
)

// now is the clock of every test here.
var now = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// client mints a client certificate that is valid at now unless opts differ.
func client(t *testing.T, authority *keystest.CA, opts ...keystest.Option) keystest.Pair {
	t.Helper()
	return authority.Client(t, append([]keystest.Option{keystest.Now(now)}, opts...)...)
}

func bundleOf(t *testing.T, s Spec) *Bundle {
	t.Helper()
	if s.Name == "" {
		s.Name = "partners"
	}
	if s.Version == 0 {
		s.Version = 3
	}
	b, err := New(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func anchors(cas ...*keystest.CA) []byte {
	var data []byte
	for _, c := range cas {
		data = append(data, c.CertPEM()...)
	}
	return data
}

func organization(o, cn string) keystest.Option {
	return keystest.Subject(pkix.Name{Organization: []string{o}, CommonName: cn})
}

// wantError checks sentinel and whole text; a nil sentinel wants no error.
func wantError(t *testing.T, err, sentinel error, detail string) {
	t.Helper()
	if sentinel == nil {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !errors.Is(err, sentinel) {
		t.Fatalf("got %v, want %v", err, sentinel)
	}
	if want := sentinel.Error() + ": " + detail; err.Error() != want {
		t.Errorf("\n got %s\nwant %s", err, want)
	}
}

func pemOf(certs ...*x509.Certificate) []byte { return ca.EncodeCertificates(certs...) }
