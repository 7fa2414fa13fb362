package keys_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/certbound/certbound/keys"
)

// shelf is a store that is only looked at.
type shelf []keys.Record

func (s shelf) SigningKeys(context.Context) ([]keys.Record, error) { return s, nil }
func (s shelf) AddSigningKey(context.Context, keys.Record) error   { return keys.ErrExists }

func TestCheckSealed(t *testing.T) {
	kek := func(id string, b byte) *keys.Sealer {
		s, err := keys.NewSealer(keys.KEK{ID: id, Key: bytes.Repeat([]byte{b}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if n, err := keys.CheckSealed(t.Context(), shelf{}, kek("k1", 1)); n != 0 || err != nil {
		t.Errorf("an empty store: %d, %v", n, err)
	}
	stranger := shelf{{KID: "a", KEKID: "k2", Sealed: []byte("x")}, {KID: "b", KEKID: "k1", Sealed: []byte("x")}}
	if n, err := keys.CheckSealed(t.Context(), stranger, kek("k1", 1)); n != 2 || !errors.Is(err, keys.ErrSealed) {
		t.Errorf("%d, %v", n, err)
	}
}
