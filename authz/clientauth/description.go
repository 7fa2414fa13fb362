package clientauth

import (
	"sync"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
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
	held map[thumbprint.Thumbprint]decision.Certificate
}

// of returns the description of the peer's certificate.
func (d *descriptions) of(peer *peercert.Peer) decision.Certificate {
	d.mu.RLock()
	held, ok := d.held[peer.Thumbprint]
	d.mu.RUnlock()
	if ok {
		return held
	}
	return decision.Certificate{
		Thumbprint: peer.Thumbprint.String(),
		Subject:    peer.Subject(),
		Issuer:     peer.Issuer(),
		Serial:     peer.Serial(),
		NotAfter:   peer.Leaf.NotAfter.UTC(),
	}
}

// keep remembers the description of a client's certificate.
func (d *descriptions) keep(t thumbprint.Thumbprint, description decision.Certificate) {
	d.mu.RLock()
	_, known := d.held[t]
	d.mu.RUnlock()
	if known {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(map[thumbprint.Thumbprint]decision.Certificate)
	}
	if len(d.held) >= maxDescriptions {
		for other := range d.held { // any: the order of a map is random
			delete(d.held, other)
			break
		}
	}
	d.held[t] = description
}
