package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// maxVerdicts bounds how many leaves a bundle remembers, at about 150 bytes each.
const maxVerdicts = 16384

// verdicts remembers which leaves a bundle accepted: the signatures on a path do
// not change, and checking them costs more than the rest of a token request.
//
// Nothing else is remembered. What depends on time is compared on every request,
// against the earliest end on the path; what depends on the bundle cannot change,
// because a bundle is immutable and its verdicts end with it. A leaf has one
// entry, so that a client who varies what it sends along replaces its own and
// pushes nobody out.
type verdicts struct {
	mu   sync.RWMutex
	held map[[sha256.Size]byte]verdict // by the leaf's hash
}

// verdict is an accepted path.
type verdict struct {
	sent        [sha256.Size]byte // hash of what the client presented besides the leaf
	from, until time.Time         // all certificates on the path are valid, both ends included
}

func newVerdicts() *verdicts { return &verdicts{held: map[[sha256.Size]byte]verdict{}} }

// accepted reports whether this leaf was accepted with these certificates, by a
// path that is still valid.
func (v *verdicts) accepted(leaf, sent [sha256.Size]byte, now time.Time) bool {
	v.mu.RLock()
	held, ok := v.held[leaf]
	v.mu.RUnlock()
	return ok && held.sent == sent && !now.Before(held.from) && !now.After(held.until)
}

func (v *verdicts) accept(leaf, sent [sha256.Size]byte, chain []*x509.Certificate) {
	made := verdict{sent: sent, from: chain[0].NotBefore, until: chain[0].NotAfter}
	for _, cert := range chain[1:] {
		if cert.NotBefore.After(made.from) {
			made.from = cert.NotBefore
		}
		if cert.NotAfter.Before(made.until) {
			made.until = cert.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.held[leaf]; !known && len(v.held) >= maxVerdicts {
		for other := range v.held { // any: the order of a map is random
			delete(v.held, other)
			break
		}
	}
	v.held[leaf] = made
}

// hashOf is the hash of certificates in their order. DER says its own length, so
// no two lists run into one.
func hashOf(certs ...*x509.Certificate) (sum [sha256.Size]byte) {
	if len(certs) == 1 && certs[0] != nil {
		return sha256.Sum256(certs[0].Raw)
	}
	h := sha256.New()
	for _, cert := range certs {
		if cert != nil {
			h.Write(cert.Raw)
		}
	}
	h.Sum(sum[:0])
	return sum
}
