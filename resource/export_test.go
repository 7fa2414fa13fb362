package resource

import "github.com/certbound/certbound/resource/accesstoken"

// Remember lets v believe that it has verified the token.
func Remember(v *Verifier, token string, c *accesstoken.Claims) {
	v.results.put(token, newReading(&accesstoken.Compact{Header: accesstoken.Header{Algorithm: "ES256", Type: "at+jwt", KeyID: "k1"}}, c))
}

// Known is how many tokens v remembers.
func Known(v *Verifier) int {
	if v.results == nil {
		return 0
	}
	n := 0
	for i := range v.results.shards {
		s := &v.results.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}

// Connections is how many connections v remembers.
func Connections(v *Verifier) int {
	v.connections.mu.RLock()
	defer v.connections.mu.RUnlock()
	return len(v.connections.known)
}
