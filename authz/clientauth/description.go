package clientauth

import (
	"sync"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// maxDescriptions bounds the certificates whose names are kept as text, at about
// 500 bytes each.
const maxDescriptions = 16384

// descriptions keeps what the record says of a certificate: rendering its names
// anew for each token cost more than checking them. They depend on nothing but the
// certificate, and only those of clients that have authenticated are kept, so a
// stranger fills nothing.
type descriptions struct {
	mu   sync.RWMutex
	held map[thumbprint.Thumbprint]known
}

// known is a certificate that a client has authenticated with.
type known struct {
	description decision.Certificate
	matched     storage.Matcher // the registered value it satisfied; zero for a self-signed client
}

// of returns the description of the peer's certificate.
func (d *descriptions) of(peer *peercert.Peer) decision.Certificate {
	d.mu.RLock()
	held, ok := d.held[peer.Thumbprint]
	d.mu.RUnlock()
	if ok {
		return held.description
	}
	return decision.Certificate{
		Thumbprint: peer.Thumbprint.String(),
		Subject:    peer.Subject(),
		Issuer:     peer.Issuer(),
		Serial:     peer.Serial(),
		NotAfter:   peer.Leaf.NotAfter.UTC(),
	}
}

// matched reports whether the certificate is known to satisfy exactly this
// registered value: what its names are cannot change.
func (d *descriptions) matched(t thumbprint.Thumbprint, m storage.Matcher) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	held, ok := d.held[t]
	return ok && m != storage.Matcher{} && held.matched == m
}

// keep remembers a client's certificate and the value it satisfied.
func (d *descriptions) keep(t thumbprint.Thumbprint, description decision.Certificate, matched storage.Matcher) {
	d.mu.RLock()
	held, ok := d.held[t]
	d.mu.RUnlock()
	if ok && held.matched == matched {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(map[thumbprint.Thumbprint]known)
	}
	if !ok && len(d.held) >= maxDescriptions {
		for other := range d.held { // any: the order of a map is random
			delete(d.held, other)
			break
		}
	}
	d.held[t] = known{description, matched}
}
