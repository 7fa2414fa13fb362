package signing_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/signing"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// instance is a server's keeper on the store of the world.
type instance struct {
	*signing.Keeper
	tokens *keys.Ring
}

func newInstance(t *testing.T, w *authztest.World, policy keys.Policy) *instance {
	t.Helper()
	open := func(purpose string) *keys.Ring {
		ring, err := keys.Open(t.Context(), keys.Config{
			Store: signing.Store{Store: w.Broken}, Sealer: w.Sealer, Clock: w.Clock, Purpose: purpose, Policy: policy,
		})
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	in := &instance{tokens: open(keys.AccessTokens)}
	var err error
	in.Keeper, err = signing.New(signing.Config{
		Store: w.Broken, Rings: []*keys.Ring{in.tokens, open("revocation_feed")}, Audit: w.Recorder, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (in *instance) tend(t *testing.T) {
	t.Helper()
	if err := in.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func nothing(context.Context, storage.Tx, []keys.Change) error { return nil }

// TestSchedule: of two instances either rotates, both agree, and the trail tells
// once.
func TestSchedule(t *testing.T) {
	w := authztest.New(t)
	policy := keys.Policy{RotateEvery: time.Hour}
	a, b := newInstance(t, w, policy), newInstance(t, w, policy)
	first := a.tokens.KeyID()
	a.tend(t)
	b.tend(t)
	w.Advance(time.Hour)
	var wg sync.WaitGroup
	for _, in := range []*instance{a, b} {
		wg.Go(func() { in.tend(t) })
	}
	wg.Wait()
	a.tend(t)
	b.tend(t)
	if a.tokens.KeyID() == first || a.tokens.KeyID() != b.tokens.KeyID() {
		t.Errorf("%s and %s sign, %s did", a.tokens.KeyID(), b.tokens.KeyID(), first)
	}
	for kind, want := range map[audit.Kind]int{audit.KeyPublished: 4, audit.KeyRotated: 2, audit.KeyRetired: 2, audit.KeyRemoved: 0} {
		if events := w.Events(kind); len(events) != want {
			t.Errorf("%d events %s, want %d", len(events), kind, want)
		}
	}
	w.Advance(2 * time.Hour)
	a.tend(t)
	if len(w.Events(audit.KeyRemoved)) != 2 {
		t.Error("the retired keys are still there")
	}
}

// TestAPIAsksForAlgorithm: an API that asks for another algorithm gets it when its
// key is known.
func TestAPIAsksForAlgorithm(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	in.tokens.Settled()
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		api, err := tx.API(ctx, "payments")
		if err != nil {
			return err
		}
		api.SigningAlg = keys.EdDSA
		return tx.UpdateAPI(ctx, api)
	})
	signs := func() string {
		s, err := in.tokens.Signer(t.Context(), keys.EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		return s.Algorithm()
	}
	in.tend(t)
	if signs() != keys.ES256 {
		t.Error("a key signs that is not known yet")
	}
	w.Advance(in.tokens.Policy().Lead())
	in.tend(t)
	if signs() != keys.EdDSA {
		t.Error("the algorithm is not used")
	}
}

// TestUndone: what the caller adds to a change and cannot, undoes the change.
func TestUndone(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	in.tend(t)
	kid := in.tokens.KeyID()
	w.Advance(time.Hour)
	no := errors.New("no")
	refuse := func(context.Context, storage.Tx, []keys.Change) error { return no }
	if err := in.Rotate(t.Context(), keys.AccessTokens, keys.ES256, refuse); !errors.Is(err, no) {
		t.Errorf("rotation: %v", err)
	}
	if err := in.Revoke(t.Context(), kid, refuse); !errors.Is(err, no) {
		t.Errorf("revocation: %v", err)
	}
	feed, err := w.Store.FeedEntries(t.Context(), 0, w.Clock(), 1000)
	if err != nil || len(feed.Entries) != 0 || in.tokens.KeyID() != kid {
		t.Errorf("feed %+v, %v; %s signs", feed, err, in.tokens.KeyID())
	}
}

// TestRevokeWithoutNext: a key is made when there is none to go on with.
func TestRevokeWithoutNext(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	kid := in.tokens.KeyID()
	if err := in.Revoke(t.Context(), kid, nothing); err != nil {
		t.Fatal(err)
	}
	if in.tokens.KeyID() == kid {
		t.Error("the revoked key signs")
	}
	if err := in.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := in.Rotate(t.Context(), keys.AccessTokens, keys.ES256, nothing); err != nil {
		t.Errorf("a rotation without a next key: %v", err)
	}
}

// TestReady: a server that cannot read its keys says so.
func TestReady(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	if err := in.Ready(t.Context()); !errors.Is(err, keys.ErrStale) {
		t.Errorf("got error %v, want ErrStale", err)
	}
}

// TestRevokeElsewhere: the other instance stops signing with a revoked key when it
// hears of it.
func TestRevokeElsewhere(t *testing.T) {
	w := authztest.New(t)
	a, b := newInstance(t, w, keys.Policy{}), newInstance(t, w, keys.Policy{})
	a.tend(t)
	kid := a.tokens.KeyID()
	if err := a.Revoke(t.Context(), kid, nothing); err != nil {
		t.Fatal(err)
	}
	b.tend(t)
	if b.tokens.KeyID() == kid || b.tokens.KeyID() != a.tokens.KeyID() {
		t.Errorf("%s signs", b.tokens.KeyID())
	}
	denied, err := w.Store.Denied(t.Context(), storage.FeedKey, kid, w.Clock())
	if err != nil || !denied {
		t.Errorf("denied: %v, %v", denied, err)
	}
}

func TestUnknown(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	for name, err := range map[string]error{
		"purpose":   in.Rotate(t.Context(), "cookies", keys.ES256, nothing),
		"algorithm": in.Rotate(t.Context(), keys.AccessTokens, "HS256", nothing),
		"no key":    in.Rotate(t.Context(), keys.AccessTokens, keys.ES384, nothing),
		"kid":       in.Revoke(t.Context(), "nobody", nothing),
	} {
		if !errors.Is(err, keys.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := in.Algorithm("cookies"); ok {
		t.Error("there is an algorithm for cookies")
	}
	if !in.ReadyAt(storage.SigningKey{Purpose: "cookies"}).IsZero() {
		t.Error("a key of no ring is ready some day")
	}
}

// TestRun: the keeper goes on after the database was away.
func TestRun(t *testing.T) {
	w := authztest.New(t)
	in := newInstance(t, w, keys.Policy{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.Run(ctx)
	}()
	deadline := time.After(30 * time.Second)
	for {
		stored, err := w.Store.SigningKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(stored, func(k storage.SigningKey) bool { return k.Status == keys.StatusNext }) {
			break
		}
		select {
		case <-deadline:
			t.Fatal("no next key")
		default:
		}
	}
	stop()
	<-done
}
