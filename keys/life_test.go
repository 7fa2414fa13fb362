package keys

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	gocmp "github.com/google/go-cmp/cmp"
)

// world is a ring on a store of its own, with a clock that is moved.
type world struct {
	t     testing.TB
	store *memory
	ring  *Ring
	now   time.Time
}

func newWorld(t testing.TB, c Config) *world {
	t.Helper()
	w := &world{t: t, store: &memory{}, now: start}
	c.Store, c.Clock = w.store, func() time.Time { return w.now }
	if c.Sealer == nil {
		c.Sealer = sealer(t, kek("k1", 1))
	}
	w.ring = open(t, c)
	w.ring.Settled()
	return w
}

// update runs one transaction with the spares it may need.
func (w *world) update(fn func(ctx context.Context, tx Tx, spares Spares) ([]Change, error)) ([]Change, error) {
	w.t.Helper()
	spares, err := w.ring.Spare(w.ring.algorithm, ES384)
	if err != nil {
		w.t.Fatal(err)
	}
	var changes []Change
	err = w.store.Update(func(tx Tx) (err error) {
		changes, err = fn(w.t.Context(), tx, spares)
		return err
	})
	if err := w.ring.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return changes, err
}

// tend does what is due, the way its caller does.
func (w *world) tend(wanted ...string) []string {
	w.t.Helper()
	due, _, err := w.ring.Due(wanted)
	if err != nil {
		w.t.Fatal(err)
	}
	changes, err := w.update(func(ctx context.Context, tx Tx, spares Spares) ([]Change, error) {
		return w.ring.TendIn(ctx, tx, wanted, spares)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !due && len(changes) > 0 {
		w.t.Errorf("due: %v, changes %+v", due, changes)
	}
	return w.told(changes)
}

func (w *world) rotate(algorithm string) ([]string, error) {
	w.t.Helper()
	changes, err := w.update(func(ctx context.Context, tx Tx, spares Spares) ([]Change, error) {
		return w.ring.RotateIn(ctx, tx, algorithm, spares)
	})
	return w.told(changes), err
}

func (w *world) revoke(kid string) ([]string, error) {
	w.t.Helper()
	changes, err := w.update(func(ctx context.Context, tx Tx, spares Spares) ([]Change, error) {
		return w.ring.RevokeIn(ctx, tx, kid, spares)
	})
	return w.told(changes), err
}

// told are changes without the kids, which are not known before.
func (w *world) told(changes []Change) (told []string) {
	for _, c := range changes {
		told = append(told, c.Algorithm+" "+c.From+">"+c.To)
	}
	return told
}

// kid is the key of a status.
func (w *world) kid(status string) string {
	w.t.Helper()
	i := slices.IndexFunc(w.store.records, func(r Record) bool { return r.Status == status })
	if i < 0 {
		w.t.Fatalf("no key is %s", status)
	}
	return w.store.records[i].KID
}

func (w *world) published(kid string) bool {
	_, ok := w.ring.PublicKey(kid)
	listed := false
	for _, key := range parseSet(w.t, w.ring.PublicJWKS()).Keys {
		listed = listed || key.KeyID == kid
	}
	if ok != listed {
		w.t.Errorf("%s: listed %v, found %v", kid, listed, ok)
	}
	return ok
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestLife follows keys through a schedule to their end.
func TestLife(t *testing.T) {
	w := newWorld(t, Config{Policy: Policy{RotateEvery: time.Hour}})
	first := w.ring.KeyID()
	expect(t, "at the start", w.tend(), "ES256 >next")
	second := w.kid(StatusNext)
	expect(t, "nothing more", w.tend())
	if !w.published(second) || w.ring.KeyID() != first {
		t.Error("the next key is not published, or signs")
	}
	w.now = start.Add(time.Hour - time.Second)
	expect(t, "before the hour", w.tend())
	w.now = start.Add(time.Hour)
	expect(t, "after an hour", w.tend(), "ES256 active>retired", "ES256 next>active", "ES256 >next")
	if w.ring.KeyID() != second || !w.published(first) {
		t.Error("the second key does not sign, or the first is not published any more")
	}
	overlap := w.ring.policy.overlap()
	if overlap <= time.Hour+leeway {
		t.Errorf("a retired key is published for %s only", overlap)
	}
	w.ring.policy.RotateEvery = 0
	w.now = start.Add(time.Hour + overlap - time.Second)
	expect(t, "while its last token may live", w.tend())
	if !w.published(first) {
		t.Error("the retired key is gone too early")
	}
	w.now = w.now.Add(time.Second)
	if w.published(first) {
		t.Error("the retired key is published for ever")
	}
	expect(t, "when nobody needs it", w.tend(), "ES256 retired>")
	if len(w.store.records) != 2 {
		t.Errorf("%d records", len(w.store.records))
	}
}

// TestRotateOnDemand: at once when the next key is known, later when it is not.
func TestRotateOnDemand(t *testing.T) {
	w := newWorld(t, Config{})
	w.tend()
	first, second := w.ring.KeyID(), w.kid(StatusNext)
	got, err := w.rotate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "too early", got, "ES256 next>next")
	ready := start.Add(w.ring.policy.Lead())
	if due := w.store.records[1].DueAt; !due.Equal(ready) {
		t.Errorf("due at %s, want %s", due, ready)
	}
	got, _ = w.rotate(ES256)
	expect(t, "asked again", got)
	w.now = ready.Add(-time.Second)
	expect(t, "not yet", w.tend())
	if w.ring.KeyID() != first {
		t.Error("a key signs before everybody knows it")
	}
	w.now = ready
	expect(t, "known everywhere", w.tend(), "ES256 active>retired", "ES256 next>active", "ES256 >next")
	if w.ring.KeyID() != second {
		t.Error("the key that was asked for does not sign")
	}
	w.now = w.now.Add(w.ring.policy.Lead())
	got, _ = w.rotate(ES256)
	expect(t, "ready", got, "ES256 active>retired", "ES256 next>active", "ES256 >next")
	if _, err := w.rotate(RS256); !errors.Is(err, ErrUnknown) {
		t.Errorf("an algorithm without keys: %v", err)
	}
}

// TestNewAlgorithm: who asks for an algorithm waits until its key is known, unless
// nobody can have seen any key yet.
func TestNewAlgorithm(t *testing.T) {
	signs := func(w *world) string {
		s, err := w.ring.Signer(t.Context(), ES384)
		if err != nil {
			t.Fatal(err)
		}
		return s.Algorithm()
	}
	w := newWorld(t, Config{})
	w.tend()
	expect(t, "asked for", w.tend(ES384), "ES384 >next")
	if signs(w) != ES256 {
		t.Error("a key signs before everybody knows it")
	}
	w.now = start.Add(w.ring.policy.Lead())
	expect(t, "known", w.tend(ES384), "ES384 next>active", "ES384 >next")
	if signs(w) != ES384 {
		t.Error("the algorithm that was asked for is not used")
	}
	if s, err := w.ring.Signer(t.Context(), ""); err != nil || s.Algorithm() != ES256 {
		t.Errorf("others sign with %v, %v", s, err)
	}
	expect(t, "nobody asks any more", w.tend(), "ES384 active>retired", "ES384 next>")
	if signs(w) != ES256 {
		t.Error("a retired key signs")
	}

	w = newWorld(t, Config{})
	w.ring.fresh = true
	expect(t, "on an empty database", w.tend(ES384), "ES256 >next", "ES384 >active")
	if signs(w) != ES384 {
		t.Error("an empty database lets an API wait")
	}
}

// TestNewDefault: the key that signed stays until the new algorithm's is known.
func TestNewDefault(t *testing.T) {
	w := newWorld(t, Config{})
	first := w.ring.KeyID()
	w.ring.algorithm = ES384
	expect(t, "at the start", w.tend(), "ES384 >next")
	if w.ring.KeyID() != first {
		t.Error("another key signs")
	}
	w.now = start.Add(w.ring.policy.Lead())
	expect(t, "known", w.tend(), "ES384 next>active", "ES384 >next", "ES256 active>retired")
	if w.ring.Algorithm() != ES384 || !w.published(first) {
		t.Errorf("%s signs", w.ring.Algorithm())
	}
}

func TestRevoke(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(w *world)
		status  string
		want    []string
		signs   string // what signs afterwards, by its status before
	}{
		"active, the next is known":     {func(w *world) { w.tend(); w.now = w.now.Add(time.Hour) }, StatusActive, []string{"ES256 active>revoked", "ES256 next>active", "ES256 >next"}, StatusNext},
		"active, the next is not known": {func(w *world) { w.tend() }, StatusActive, []string{"ES256 active>revoked", "ES256 next>active", "ES256 >next"}, StatusNext},
		"active, there is no next":      {func(*world) {}, StatusActive, []string{"ES256 active>revoked", "ES256 >active"}, ""},
		"next":                          {func(w *world) { w.tend() }, StatusNext, []string{"ES256 next>revoked", "ES256 >next"}, StatusActive},
		"retired":                       {func(w *world) { w.tend(); w.now = w.now.Add(time.Hour); _, _ = w.rotate(ES256) }, StatusRetired, []string{"ES256 retired>revoked"}, StatusActive},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			c.prepare(w)
			kid, signs := w.kid(c.status), ""
			if c.signs != "" {
				signs = w.kid(c.signs)
			}
			got, err := w.revoke(kid)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "changes", got, c.want...)
			if w.published(kid) {
				t.Error("a revoked key is published")
			}
			if w.ring.KeyID() == kid || signs != "" && w.ring.KeyID() != signs {
				t.Errorf("%s signs, want %s", w.ring.KeyID(), signs)
			}
			o, err := openRecord(w.ring.sealer, &w.store.records[slices.IndexFunc(w.store.records, func(r Record) bool { return r.KID == kid })])
			if err != nil || o.signer != nil {
				t.Errorf("the private half is still there (%v)", err)
			}
			if got, err := w.revoke(kid); err != nil || got != nil {
				t.Errorf("again: %v, %v", got, err)
			}
			if _, err := w.revoke("unknown"); !errors.Is(err, ErrUnknown) {
				t.Errorf("unknown: %v", err)
			}
		})
	}
}

// TestImportRevoked: a revoked key does not come back.
func TestImportRevoked(t *testing.T) {
	jwk := &jose.JSONWebKey{Key: mustKey(t, ES256)}
	w := newWorld(t, Config{Import: jwk})
	kid := w.ring.KeyID()
	if _, err := w.revoke(kid); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Store: w.store, Sealer: w.ring.sealer, Clock: w.ring.clock, Import: jwk})
	if want := "keys: import: " + kid + " has been revoked"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestKeepPublic: what was signed with a key that is long gone is verified, and
// nobody can sign like that any more.
func TestKeepPublic(t *testing.T) {
	w := newWorld(t, Config{Purpose: "audit_checkpoint", Policy: Policy{KeepPublic: true}})
	first := w.ring.KeyID()
	compact, err := w.ring.Sign([]byte("{}"), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	w.tend()
	w.now = w.now.Add(24 * time.Hour)
	if _, err := w.rotate(ES256); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(365 * 24 * time.Hour)
	w.tend()
	if due, _, err := w.ring.Due(nil); err != nil || due {
		t.Errorf("due again: %v, %v", due, err)
	}
	if !w.published(first) {
		t.Fatal("the public half is gone")
	}
	verify(t, compact, w.ring.PublicJWKS())
	o, err := openRecord(w.ring.sealer, &w.store.records[0])
	if err != nil || w.store.records[0].KID != first || o.signer != nil {
		t.Errorf("the private half is still there (%v)", err)
	}
	again := open(t, Config{Store: w.store, Sealer: w.ring.sealer, Clock: w.ring.clock, Purpose: "audit_checkpoint", Policy: Policy{KeepPublic: true}})
	verify(t, compact, again.PublicJWKS())
}

// TestNewKEK: rows are sealed anew, so that the older key can be taken away.
func TestNewKEK(t *testing.T) {
	older, newer := kek("2025", 1), kek("2026", 2)
	w := newWorld(t, Config{Sealer: sealer(t, older)})
	w.tend()
	kid := w.ring.KeyID()
	w.ring = open(t, Config{Store: w.store, Sealer: sealer(t, newer, older), Clock: w.ring.clock})
	if due, _, err := w.ring.Due(nil); err != nil || !due {
		t.Fatalf("due: %v, %v", due, err)
	}
	_, err := w.update(func(ctx context.Context, tx Tx, spares Spares) ([]Change, error) {
		return w.ring.TendIn(ctx, tx, nil, spares)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := open(t, Config{Store: w.store, Sealer: sealer(t, newer), Clock: w.ring.clock}); r.KeyID() != kid {
		t.Errorf("%s signs, want %s", r.KeyID(), kid)
	}
	expect(t, "nothing more", w.tend())
}

func TestPolicyRefused(t *testing.T) {
	for want, p := range map[string]Policy{
		"keys: Policy.CacheTime must be from 10s to 1h":                               {CacheTime: time.Second},
		"keys: Policy.RotateEvery is shorter than a key needs to become known: 5m20s": {RotateEvery: time.Minute},
		"keys: Policy.Lifetime is negative":                                           {Lifetime: -1},
	} {
		if _, err := Open(t.Context(), Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Policy: p}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
