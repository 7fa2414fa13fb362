package keys

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestStale: an instance that cannot see what others do neither signs nor
// publishes, and goes on by itself when it can.
func TestStale(t *testing.T) {
	away := errors.New("database is away")
	store, now := &broken{}, start
	r := open(t, Config{Store: working{store}, Sealer: sealer(t, kek("k1", 1)), Clock: func() time.Time { return now }})
	store.read = away
	now = start.Add(maxAge)
	if _, err := r.Sign([]byte("{}"), "t"); err != nil {
		t.Errorf("within %s: %v", maxAge, err)
	}
	for _, when := range []time.Time{start.Add(maxAge + time.Second), start.Add(-time.Hour)} { // the clock may go back, too
		now = when
		_, signErr := r.Sign([]byte("{}"), "t")
		_, keysErr := r.JWKS(t.Context())
		for _, err := range []error{signErr, keysErr} {
			if !errors.Is(err, ErrStale) || !errors.Is(err, away) {
				t.Errorf("at %s: got error %v", when, err)
			}
		}
	}
	store.read = nil
	if _, err := r.Sign([]byte("{}"), "t"); err != nil {
		t.Errorf("when the database is back: %v", err)
	}
}

// TestDoubt: who was told of a change and could not read it does not go on with
// what it knew.
func TestDoubt(t *testing.T) {
	store := &broken{}
	r := open(t, Config{Store: working{store}, Sealer: sealer(t, kek("k1", 1)), Clock: clock})
	store.read = errors.New("database is away")
	if err := r.Refresh(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if _, err := r.Sign([]byte("{}"), "t"); !errors.Is(err, ErrStale) {
		t.Errorf("got error %v, want ErrStale", err)
	}
	if _, ok := r.PublicKey(r.KeyID()); !ok {
		t.Error("what was signed is not recognised any more")
	}
	store.read = nil
	if _, err := r.Sign([]byte("{}"), "t"); err != nil {
		t.Error(err)
	}
}

// working lets a broken store keep what it is given.
type working struct{ *broken }

func (w working) AddSigningKey(ctx context.Context, r Record) error {
	return w.memory.AddSigningKey(ctx, r)
}

// counted counts how often it is read.
type counted struct {
	memory
	mu    sync.Mutex
	reads int
}

func (c *counted) SigningKeys(ctx context.Context) ([]Record, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.memory.SigningKeys(ctx)
}

// TestOneRead: all who find the keys too old wait for one question.
func TestOneRead(t *testing.T) {
	store, now := &counted{}, start
	r := open(t, Config{Store: store, Sealer: sealer(t, kek("k1", 1)), Clock: func() time.Time { return now }})
	before := store.reads
	now = start.Add(time.Minute)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := r.Sign([]byte("{}"), "t"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := store.reads - before; n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
}

// TestUnknownKey: a key that another instance has just made is found, and a storm
// of kids that nobody has made costs four questions a second.
func TestUnknownKey(t *testing.T) {
	store, now := &counted{}, start
	c := Config{Store: store, Sealer: sealer(t, kek("k1", 1)), Clock: func() time.Time { return now }}
	a, b := open(t, c), open(t, c)
	spares, err := a.Spare(ES256)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Update(func(tx Tx) error { _, err := a.RevokeIn(t.Context(), tx, a.KeyID(), spares); return err }); err != nil {
		t.Fatal(err)
	}
	kid := spares[ES256].KID
	if _, ok := b.PublicKey(kid); ok {
		t.Error("known although nothing was read")
	}
	now = start.Add(justRead)
	if _, ok := b.PublicKey(kid); !ok {
		t.Error("a key that was made elsewhere is not found")
	}
	before := store.reads
	for i := range 100 {
		now = now.Add(justRead / 50)
		b.PublicKey("unknown" + string(rune('a'+i%26)))
	}
	if n := store.reads - before; n > 2 {
		t.Errorf("%d reads in half a second", n)
	}
}

// TestSignerIsFree: choosing the key costs the signing path nothing.
func TestSignerIsFree(t *testing.T) {
	r := open(t, Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock})
	ctx := t.Context()
	n := testing.AllocsPerRun(100, func() {
		if _, err := r.Signer(ctx, ES256); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSign compares a ring with the bare jose signer that it prepares: the
// difference is what a ring costs.
func BenchmarkSign(b *testing.B) {
	payload := []byte(`{"iss":"https://as.example.com","sub":"acme-billing","aud":"https://api.example.com"}`)
	for _, algorithm := range []string{ES256, EdDSA} {
		r := open(b, Config{Store: &memory{}, Sealer: sealer(b, kek("k1", 1)), Clock: time.Now, Algorithm: algorithm})
		ctx := b.Context()
		bare := func() (*Signer, error) { return r.view.Load().latest, nil }
		for name, signer := range map[string]func() (*Signer, error){
			"bare": bare, "ring": func() (*Signer, error) { return r.Signer(ctx, algorithm) },
		} {
			b.Run(algorithm+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						s, err := signer()
						if err != nil {
							b.Error(err)
							return
						}
						if _, err := s.Sign(payload, "at+jwt"); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
