package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
)

// TestSealKey: an envelope opens at its place and with its key-encryption key.
func TestSealKey(t *testing.T) {
	kek := func(id string, b byte) KEK {
		key := make([]byte, kekSize)
		key[0] = b
		return KEK{ID: id, Key: key}
	}
	sealer, err := NewSealer(kek("a", 1))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, sealed, err := sealer.SealKey(key, "table", "row", "purpose")
	if err != nil || id != "a" || sealer.Active() != "a" {
		t.Fatalf("%s, %v", id, err)
	}
	opened, err := sealer.OpenKey(id, sealed, "table", "row", "purpose")
	if err != nil || !key.Equal(opened) {
		t.Errorf("opened %v, %v", opened, err)
	}
	for _, at := range [][3]string{{"other", "row", "purpose"}, {"table", "other", "purpose"}, {"table", "row", "other"}} {
		if _, err := sealer.OpenKey(id, sealed, at[0], at[1], at[2]); !errors.Is(err, ErrSealed) {
			t.Errorf("at %v: %v", at, err)
		}
	}
	other, err := NewSealer(kek("a", 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenKey(id, sealed, "table", "row", "purpose"); !errors.Is(err, ErrSealed) {
		t.Errorf("another key: %v", err)
	}
	public, err := encodePublic(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	_, sealed, err = sealer.seal(public, place{"table", "row", "purpose"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer.OpenKey("a", sealed, "table", "row", "purpose"); err == nil {
		t.Error("a public key is opened as a private one")
	}
}
