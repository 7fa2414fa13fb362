package accesstoken_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/accesstoken"
)

// signingKey is the same in each process, so that a fuzzer can work on a signature.
var signingKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func signed(t testing.TB, kid, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: signingKey, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestVerifyKnowsItsHeader: more headers than a decoder keeps, in turn, and each
// signature goes with its own.
func TestVerifyKnowsItsHeader(t *testing.T) {
	t.Parallel()
	var decoder accesstoken.Decoder
	verify := func(token string) error {
		c, err := decoder.Decode(token)
		if err != nil {
			t.Fatal(err)
		}
		return c.Verify(signingKey.Public())
	}
	for round := range 2 {
		for i := range 20 {
			if err := verify(signed(t, fmt.Sprint("k", i), `{"round":`+fmt.Sprint(round)+`}`)); err != nil {
				t.Errorf("k%d: %v", i, err)
			}
		}
	}
	one, other := strings.Split(signed(t, "k1", "{}"), "."), strings.Split(signed(t, "k2", "{}"), ".")
	for name, parts := range map[string][]string{
		"another header":  {other[0], one[1], one[2]},
		"another payload": {one[0], encode(`{"a":1}`), one[2]},
		"no signature":    {one[0], one[1], ""},
	} {
		if err := verify(strings.Join(parts, ".")); !errors.Is(err, accesstoken.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify(encode(`{"alg":"none"}`) + ".e30."); !errors.Is(err, accesstoken.ErrMalformed) && !errors.Is(err, accesstoken.ErrSignature) {
		t.Errorf("none: %v", err)
	}
}

// TestVerifyOfNothing: who has decoded nothing has nothing verified.
func TestVerifyOfNothing(t *testing.T) {
	t.Parallel()
	if err := new(accesstoken.Compact).Verify(signingKey.Public()); !errors.Is(err, accesstoken.ErrMalformed) {
		t.Error(err)
	}
}

// FuzzVerify holds our way of asking go-jose to its own of reading a whole token.
func FuzzVerify(f *testing.F) {
	f.Add(signed(f, "k", "{}"))
	f.Add(signed(f, "", `{"iss":"x"}`))
	f.Add(compact(goodHeader))
	var decoder accesstoken.Decoder
	f.Fuzz(func(t *testing.T, token string) {
		c, err := decoder.Decode(token)
		if err != nil {
			return
		}
		ours := c.Verify(signingKey.Public()) == nil
		var payload []byte
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.Header.Algorithm)})
		if err == nil {
			payload, err = jws.Verify(signingKey.Public())
		}
		if ours != (err == nil) || ours && !bytes.Equal(payload, c.Payload) {
			t.Errorf("ours %v, go-jose %v; payload %q and %q", ours, err, c.Payload, payload)
		}
	})
}
