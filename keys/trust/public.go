package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// publicRoots knows what the public trusts, to keep it out of trust bundles:
// from an authority that serves everybody, everybody is one form away from a
// client certificate.
type publicRoots struct {
	keys  map[[sha256.Size]byte]bool // digests of subjectPublicKeyInfo
	pools []*x509.CertPool
}

// mozillaAndSystem loads both stores on first use. They serve for comparison
// only; nothing is ever verified against them in a client's favour.
var mozillaAndSystem = sync.OnceValue(func() *publicRoots {
	mozilla := x509.NewCertPool()
	p := &publicRoots{keys: make(map[[sha256.Size]byte]bool), pools: []*x509.CertPool{mozilla}}
	for root := range bundle.Roots() {
		// A root that no longer parses is one no anchor can be equal to.
		if cert, err := x509.ParseCertificate(root.Certificate); err == nil {
			p.keys[sha256.Sum256(cert.RawSubjectPublicKeyInfo)] = true
			mozilla.AddCert(cert)
		}
	}
	// Many containers have no system store; that is not an error.
	if system, err := x509.SystemCertPool(); err == nil {
		p.pools = append(p.pools, system)
	}
	return p
})

// covers reports whether the certificate's key is a public root's, or the
// certificate is below one. The second finds the system store's roots too, whose
// certificates crypto/x509 does not give out.
func (p *publicRoots) covers(cert *x509.Certificate, now time.Time) bool {
	if p.keys[sha256.Sum256(cert.RawSubjectPublicKeyInfo)] {
		return true
	}
	for _, pool := range p.pools {
		_, err := cert.Verify(x509.VerifyOptions{
			Roots: pool, Intermediates: x509.NewCertPool(), CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err == nil {
			return true
		}
	}
	return false
}

func (b *Bundle) publicAnchors(public *publicRoots, now time.Time) []error {
	var problems []error
	for _, p := range b.places() {
		if p.field == fieldAnchors && public.covers(p.cert, now) {
			problems = append(problems, p.problem("it is, or is issued by, a root in the Mozilla or the operating system's store, so strangers can get client certificates from it; set allow_public_roots only if that is meant"))
		}
	}
	return problems
}
