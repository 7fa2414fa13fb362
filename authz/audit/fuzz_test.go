package audit_test

import (
	"testing"

	"github.com/certbound/certbound/authz/audit"
)

// FuzzParseCheckpoint: a checkpoint comes from a file that anybody may have
// written. Under our own keys nothing but what they signed is read from it; and
// no key set, however strange, breaks the reading.
func FuzzParseCheckpoint(f *testing.F) {
	signer := ring(f, audit.CheckpointPurpose)
	good, err := signer.Sign([]byte(`{"iat":7,"heads":[{"instance":"a","seq":3,"hash":"x"}]}`), audit.CheckpointType)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, signer.PublicJWKS())
	f.Add("..", []byte(`{"keys":[{}]}`))
	f.Add(`{"payload":"","signatures":[]}`, []byte(`{"keys":[{"kty":"oct","k":""}]}`))
	f.Add("eyJhbGciOiJub25lIn0.e30.", []byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, compact string, keySet []byte) {
		if c, err := audit.ParseCheckpoint(compact, signer.PublicJWKS()); err == nil && (c.IssuedAt != 7 || len(c.Heads) != 1) {
			t.Errorf("%+v was never signed", c)
		}
		if c, err := audit.ParseCheckpoint(compact, keySet); (c == nil) == (err == nil) {
			t.Errorf("%v, %v", c, err)
		}
	})
}
