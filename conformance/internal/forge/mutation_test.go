package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"
)

// TestMutationsDiffer: each has its own name and is another text than the good
// token, and of those that have the right length the ones marked valid verify, by
// mathematics alone, and no others.
func TestMutationsDiffer(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*ecdsa.PrivateKey{NewKey(), p384} {
		f := formOf(key)
		input := Encode(`{"alg":"ES"}`, `{"a":1}`)
		good := Signed(input, signECDSA(key, input))
		digest := sum(f.hash, []byte(input))
		names := map[string]bool{}
		for _, m := range ecdsaMutations(key, input) {
			if names[m.Name] || m.Token == good {
				t.Errorf("%s: twice, or no mutation", m.Name)
			}
			names[m.Name] = true
			_, text, _ := cutLast(m.Token)
			octets, err := b64.Strict().DecodeString(text)
			if err != nil || len(octets) != 2*f.size {
				continue
			}
			r, s := new(big.Int).SetBytes(octets[:f.size]), new(big.Int).SetBytes(octets[f.size:])
			if ecdsa.Verify(&key.PublicKey, digest, r, s) != m.Valid {
				t.Errorf("%s: valid is marked %t", m.Name, m.Valid)
			}
		}
		if len(names) < 130 {
			t.Errorf("%d mutations", len(names))
		}
	}
}

func TestPS256Mutations(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	input := Encode(`{"alg":"PS256"}`, `{"a":1}`)
	digest := sum(crypto.SHA256, []byte(input))
	usual := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest, signPSS(key, input), usual); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range PS256Mutations(key, input) {
		if names[m.Name] {
			t.Errorf("%s: twice", m.Name)
		}
		names[m.Name] = true
		_, text, _ := cutLast(m.Token)
		octets, err := b64.Strict().DecodeString(text)
		if err != nil {
			continue
		}
		if rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest, octets, usual) == nil {
			t.Errorf("%s verifies by RFC 7518", m.Name)
		}
		if valid := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest, octets, nil) == nil; valid != m.Valid {
			t.Errorf("%s: valid is marked %t", m.Name, m.Valid)
		}
	}
}

func TestRS256Mutations(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	input := Encode(`{"alg":"RS256"}`, `{"a":1}`)
	digest := sha256.Sum256([]byte(input))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], SignRS256(key, input)); err != nil {
		t.Fatal(err)
	}
	for _, b := range rs256Blocks(key.Size(), digest[:]) {
		if len(b.octets) != key.Size() {
			t.Errorf("%s: a block of %d octets", b.name, len(b.octets))
		}
	}
	names := map[string]bool{}
	for _, m := range RS256Mutations(key, input) {
		if names[m.Name] {
			t.Errorf("%s: twice", m.Name)
		}
		names[m.Name] = true
		_, text, _ := cutLast(m.Token)
		octets, err := b64.Strict().DecodeString(text)
		if err == nil && rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], octets) == nil {
			t.Errorf("%s verifies", m.Name)
		}
	}
}

func TestEdDSAMutations(t *testing.T) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	input := Encode(`{"alg":"EdDSA"}`, `{"a":1}`)
	if _, text, _ := cutLast(EdDSA(key, `{"alg":"EdDSA"}`, `{"a":1}`)); !ed25519.Verify(public, []byte(input), []byte(decoded(text))) {
		t.Fatal("the good one does not verify")
	}
	names := map[string]bool{}
	for _, m := range EdDSAMutations(key, input) {
		if names[m.Name] {
			t.Errorf("%s: twice", m.Name)
		}
		names[m.Name] = true
		_, text, _ := cutLast(m.Token)
		octets, err := b64.Strict().DecodeString(text)
		if err == nil && ed25519.Verify(public, []byte(input), octets) {
			t.Errorf("%s verifies", m.Name)
		}
	}
}
