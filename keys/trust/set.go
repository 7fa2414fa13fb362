package trust

import (
	"cmp"
	"crypto/x509"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// maxRetired is how many retired versions of a name are remembered, newest
// first: enough for the rotations a late client may have missed, and a bound on
// what a refusal costs.
const maxRetired = 8

// Set is all bundles of a server. Its content is replaced as a whole; a reader
// never sees half of a reload.
type Set struct{ content atomic.Pointer[content] }

type content struct {
	active  map[string]*Bundle
	retired map[string][]*Bundle
}

// NewSet makes a set. Should two active bundles have one name, the higher
// version counts.
func NewSet(active, retired []*Bundle) *Set {
	s := new(Set)
	s.Replace(active, retired)
	return s
}

// Replace swaps the whole content.
func (s *Set) Replace(active, retired []*Bundle) {
	c := &content{active: make(map[string]*Bundle), retired: make(map[string][]*Bundle)}
	others := make(neighbours)
	for _, b := range active {
		if held := c.active[b.name]; held == nil || held.version < b.version {
			c.active[b.name] = b.within(others)
		}
	}
	for _, b := range c.active {
		others.add(b)
	}
	for _, b := range slices.SortedFunc(slices.Values(retired), newestFirst) {
		if len(c.retired[b.name]) < maxRetired {
			c.retired[b.name] = append(c.retired[b.name], b)
		}
	}
	s.content.Store(c)
}

func newestFirst(a, b *Bundle) int { return cmp.Compare(b.version, a.version) }

// Get returns the active version of a bundle.
func (s *Set) Get(name string) (*Bundle, bool) {
	b, ok := s.content.Load().active[name]
	return b, ok
}

// Active returns the active bundles, in no order.
func (s *Set) Active() []*Bundle {
	return slices.Collect(maps.Values(s.content.Load().active))
}

// AcceptedByRetired reports whether a retired version of the named bundle would
// accept the certificate. It explains a refusal; it never leads to acceptance.
func (s *Set) AcceptedByRetired(name string, leaf *x509.Certificate, presented []*x509.Certificate, now time.Time) bool {
	return slices.ContainsFunc(s.content.Load().retired[name], func(b *Bundle) bool {
		return b.Verify(leaf, presented, now) == nil
	})
}

// within returns a copy of b that knows its neighbours.
func (b *Bundle) within(others neighbours) *Bundle {
	copied := *b
	copied.others = others
	return &copied
}

// neighbours holds the authorities of all active bundles by raw subject, so that
// a refusal can say which bundle a certificate does belong to.
type neighbours map[string][]place

func (n neighbours) add(b *Bundle) {
	for _, p := range b.places() {
		subject := string(p.cert.RawSubject)
		n[subject] = append(n[subject], p)
	}
}

// issuerOf returns the bundle, other than the one named own, that holds the
// authority which signed cert, or "".
func (n neighbours) issuerOf(cert *x509.Certificate, own string) string {
	for _, p := range n[string(cert.RawIssuer)] {
		if p.bundle.name != own && cert.CheckSignatureFrom(p.cert) == nil {
			return p.bundle.String()
		}
	}
	return ""
}
