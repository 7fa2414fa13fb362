package idempotency

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

func TestCheckKeys(t *testing.T) {
	const bad = "must be one value of 1 to 255 visible ASCII characters"
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{"a!~"}, ""},
		{[]string{strings.Repeat("k", MaxKey)}, ""},
		{[]string{strings.Repeat("k", MaxKey+1)}, bad},
		{[]string{""}, bad},
		{[]string{"a b"}, bad},
		{[]string{"ä"}, bad},
		{[]string{"a", "a"}, bad},
	} {
		if err := CheckKeys(tt.values); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%q: %v", tt.values, err)
		}
	}
}

// TestHash: what decides what a request does tells it from others.
func TestHash(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, r := range [][3]string{
		{"POST", "/a", ""}, {"PUT", "/a", ""}, {"POST", "/a?b", ""}, {"POST", "/a%2Fb", ""}, {"POST", "/a/b", ""}, {"POST", "/", "a"}, {"POST", "/a", "b"},
	} {
		hash := Hash(httptest.NewRequestWithContext(t.Context(), r[0], r[1], nil), []byte(r[2]))
		if other, ok := seen[hash]; ok {
			t.Errorf("%v is taken for %s", r, other)
		}
		seen[hash] = strings.Join(r[:], " ")
	}
}

func TestReplay(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	const day = 24 * time.Hour
	now := time.Unix(1<<30, 0).UTC()
	first := Request{ClientID: "root", Key: "k", Hash: [32]byte{1}, Now: now}
	kept := Answer{Status: 201, ETag: `"e"`, Location: "/l", Body: []byte(`{"a":1}`)}
	in := func(do func(ctx context.Context, tx storage.Tx) error) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx storage.Tx) error { return do(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	in(func(ctx context.Context, tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, storage.Partner{ID: "p", CreatedAt: now, UpdatedAt: now}); err != nil {
			return err
		}
		c := storage.Client{ID: "root", PartnerID: "p", Method: storage.SelfSignedTLSClientAuth, CreatedAt: now, UpdatedAt: now}
		return errors.Join(tx.CreateClient(ctx, c), first.Keep(ctx, tx, kept))
	})
	with := func(change func(*Request)) Request { r := first; change(&r); return r }
	for _, tt := range []struct {
		name  string
		r     Request
		again bool
		err   string
	}{
		{"the same request", first, true, ""},
		{"just within a day", with(func(r *Request) { r.Now = now.Add(day - time.Second) }), true, ""},
		{"a day later", with(func(r *Request) { r.Now = now.Add(day) }), false, ""},
		{"another administrator", with(func(r *Request) { r.ClientID = "deputy" }), false, ""},
		{"another key", with(func(r *Request) { r.Key = "l" }), false, ""},
		{"another request", with(func(r *Request) { r.Hash[0] = 2 }), false, "idempotency: the key was used at 2004-01-10T13:37:04Z for another request"},
	} {
		in(func(ctx context.Context, tx storage.Tx) error {
			got, again, err := tt.r.Replay(ctx, tx)
			if again != tt.again || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("%s: %t %v", tt.name, again, err)
			}
			if diff := cmp.Diff(kept, got); again && diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
			return nil
		})
	}
}
