package clientauth

import (
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// TestUnregisteredIsHeard of clients with a jwks_uri and nobody else, and of
// certificates that pass everything but the comparison.
func TestUnregisteredIsHeard(t *testing.T) {
	stranger, expired := keystest.SelfSigned(t), keystest.SelfSigned(t, keystest.Expired())
	self := clients(t)["self-signed"]
	var heard []string
	a, err := New(Config{Records: self.records, Trust: self.trust, Clock: time.Now, Unregistered: func(id string, _ thumbprint.Thumbprint) { heard = append(heard, id) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name, uri, query string
		pair             keystest.Pair
		want             []string
	}{
		{"jwks only", "", "client_id=a", stranger, nil},
		{"registered", "https://a.example/jwks", "client_id=a", self.pair, nil},
		{"expired", "https://a.example/jwks", "client_id=a", expired, nil},
		{"no such client", "https://a.example/jwks", "client_id=b", stranger, nil},
		{"not registered", "https://a.example/jwks", "client_id=a", stranger, []string{"a"}},
	} {
		heard = nil
		self.records.client.JWKSURI = step.uri
		r := request(&step.pair, step.query)
		_, refusal := a.Authenticate(r, form(t, r), &decision.Evidence{})
		if (refusal == nil) != (step.name == "registered") || !slices.Equal(heard, step.want) {
			t.Errorf("%s: %+v, heard %v", step.name, refusal, heard)
		}
	}
}
