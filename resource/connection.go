package resource

import (
	"crypto/tls"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/decision"
)

// connections remembers what the certificate of a TLS connection is: thumbprint
// and names, computed once per connection instead of once per request. No verdict
// is kept: validity and strength are judged on every request.
//
// The key is the connection's own state, which net/http shares between the
// requests of one connection, and it is compared by identity: what is known of
// one connection is never seen by another, not even by one that resumes its
// session. The state is not held, so that what is known of a connection goes when
// the connection does. Its address alone would not do for a key, for it may be
// used again before that: what is remembered counts for the very certificates
// only that it was made of, and these it holds.
//
// A certificate that comes from a header must not come this way: requests of
// many clients share a proxy's connection.
type connections struct {
	mu    sync.RWMutex
	known map[uintptr]*connection
}

// connection is what is known of one. It must not refer to the state itself,
// which would then never go.
type connection struct {
	peer        *peercert.Peer
	certificate decision.Certificate
}

func newConnections() *connections {
	return &connections{known: map[uintptr]*connection{}}
}

// of returns the connection of a request, or peercert's error. It is nil for no
// error only.
func (c *connections) of(state *tls.ConnectionState) (*connection, error) {
	if state == nil || !state.HandshakeComplete {
		return newConnection(state) // which says what is missing
	}
	key := reflect.ValueOf(state).Pointer()
	c.mu.RLock()
	known := c.known[key]
	c.mu.RUnlock()
	if known != nil && known.shows(state) {
		return known, nil
	}
	made, err := newConnection(state)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.known[key] = made
	c.mu.Unlock()
	// Two requests at once may both get here; forgetting twice does no harm.
	runtime.AddCleanup(state, func(made *connection) { c.forget(key, made) }, made)
	return made, nil
}

// forget ends what was made of a state that is gone, and nothing of the one that
// has its address now.
func (c *connections) forget(key uintptr, made *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[key] == made {
		delete(c.known, key)
	}
}

// shows reports whether these still are the certificates of the state: it is a
// struct with exported fields, and somebody may have put others there.
func (c *connection) shows(state *tls.ConnectionState) bool {
	chain := state.PeerCertificates
	return len(chain) > 0 && chain[0] == c.peer.Leaf && slices.Equal(chain[1:], c.peer.Intermediates)
}

func newConnection(state *tls.ConnectionState) (*connection, error) {
	peer, err := peercert.FromTLS(state)
	if err != nil {
		return nil, err
	}
	// The state's own slice could be written to; what was seen is kept.
	peer.Intermediates = slices.Clone(peer.Intermediates)
	return &connection{peer: peer, certificate: decision.Certificate{
		Thumbprint: peer.Thumbprint.String(),
		Subject:    peer.Subject(), Issuer: peer.Issuer(), Serial: peer.Serial(),
		NotAfter: peer.Leaf.NotAfter.UTC(),
	}}, nil
}
