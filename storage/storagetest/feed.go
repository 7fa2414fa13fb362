package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

func entry(kind storage.FeedKind, action storage.FeedAction, subject string, created, expires int) storage.FeedEntry {
	return storage.FeedEntry{Kind: kind, Action: action, Subject: subject, CreatedAt: at(created), ExpiresAt: at(expires)}
}

func denyToken(jti string, expires int) storage.FeedEntry {
	return entry(storage.FeedToken, storage.FeedDeny, jti, 0, expires)
}

func denyClient(id string, generation int64, expires int) storage.FeedEntry {
	e := entry(storage.FeedClient, storage.FeedDeny, id, 0, expires)
	e.MinGeneration = generation
	return e
}

// publish appends to the feed and returns the number of the last entry.
func publish(t testing.TB, s storage.Store, entries ...storage.FeedEntry) (seq int64) {
	t.Helper()
	do(t, s, func(tx storage.Tx) (err error) {
		seq, err = tx.AppendFeed(t.Context(), entries)
		return err
	})
	return seq
}

func prune(t testing.TB, s storage.Store, now time.Time) (pruned int64) {
	t.Helper()
	do(t, s, func(tx storage.Tx) (err error) {
		pruned, err = tx.PruneFeed(t.Context(), now)
		return err
	})
	return pruned
}

// wantFeed checks head, fullness and the numbers of the entries after a number.
func wantFeed(t testing.TB, s storage.Reader, after int64, now time.Time, want string) {
	t.Helper()
	f := must[storage.Feed](t)(s.FeedEntries(t.Context(), after, now, 1000))
	var numbers []string
	for _, e := range f.Entries {
		numbers = append(numbers, fmt.Sprint(e.Seq))
	}
	kind := "delta"
	if f.Full {
		kind = "full"
	}
	if got := fmt.Sprintf("%s to %d: %s", kind, f.Seq, strings.Join(numbers, " ")); got != want {
		t.Errorf("feed after %d: got %q, want %q", after, got, want)
	}
	if f.Entries == nil {
		t.Error("no entries read as nil, want an empty slice")
	}
}

func testFeed(t *testing.T, s storage.Store) {
	ctx := t.Context()
	wantFeed(t, s, 0, epoch, "full to 0: ")
	wantFeed(t, s, 7, epoch, "full to 0: ") // somebody else's number
	if seq := must[int64](t)(s.FeedSeq(ctx)); seq != 0 {
		t.Errorf("the head of an empty feed is %d", seq)
	}

	entries := []storage.FeedEntry{
		denyToken("jti-1", 60), denyClient("edge", 2, 3600), entry(storage.FeedCertificate, storage.FeedDeny, "x5t", 1, 600),
		entry(storage.FeedKey, storage.FeedDeny, "kid", 2, 300), entry(storage.FeedCertificate, storage.FeedLift, "x5t", 3, 600),
	}
	entries[0].Seq = 99 // the store counts
	if seq := publish(t, s, entries[:2]...); seq != 2 {
		t.Errorf("the last of two entries has number %d", seq)
	}
	if seq := publish(t, s, entries[2:]...); seq != 5 {
		t.Errorf("the last of five entries has number %d", seq)
	}
	if seq := publish(t, s); seq != 5 {
		t.Errorf("appending nothing moved the head to %d", seq)
	}
	f := must[storage.Feed](t)(s.FeedEntries(ctx, 0, epoch, 1000))
	for i := range entries {
		e := &entries[i]
		e.Seq = int64(i + 1)
		e.CreatedAt, e.ExpiresAt = e.CreatedAt.UTC().Truncate(time.Second), e.ExpiresAt.UTC().Truncate(time.Second)
	}
	same(t, "feed", f, storage.Feed{Seq: 5, Full: true, Entries: entries})
	wantFeed(t, s, -1, epoch, "full to 5: 1 2 3 4 5")
	wantFeed(t, s, 2, epoch, "delta to 5: 3 4 5")
	wantFeed(t, s, 5, epoch, "delta to 5: ")
	wantFeed(t, s, 6, epoch, "full to 5: 1 2 3 4 5")
	// A limit cuts the end off.
	for after, want := range map[int64][]int64{0: {1, 2}, 2: {3, 4}, 4: {5}, 9: {1, 2}} {
		part := must[storage.Feed](t)(s.FeedEntries(ctx, after, epoch, 2))
		var got []int64
		for _, e := range part.Entries {
			got = append(got, e.Seq)
		}
		same(t, "part", got, want)
		if part.Seq != 5 {
			t.Errorf("a part says the newest is %d", part.Seq)
		}
	}
	if _, err := s.FeedEntries(ctx, 0, epoch, 0); err == nil {
		t.Error("a limit of none is accepted")
	}
	// What has expired is not sent, whether pruned or not.
	wantFeed(t, s, 0, stored(59), "full to 5: 1 2 3 4 5")
	wantFeed(t, s, 0, stored(60), "full to 5: 2 3 4 5")
	wantFeed(t, s, 0, stored(4000), "full to 5: ")

	refusedEntry := func(e storage.FeedEntry) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			_, err := tx.AppendFeed(ctx, []storage.FeedEntry{denyToken("good", 60), e})
			return err
		}
	}
	endless := denyToken("jti", 0)
	endless.ExpiresAt = time.Time{}
	if err := failing(t, s, refusedEntry(endless)); err == nil || err.Error() != `storage: the feed entry for token "jti" has no end` {
		t.Errorf("an entry without an end: got error %v", err)
	}
	withGeneration := denyToken("jti", 60)
	withGeneration.MinGeneration = 3
	liftedClient := denyClient("edge", 3, 60)
	liftedClient.Action = storage.FeedLift
	for name, e := range map[string]storage.FeedEntry{
		"no subject": denyToken("", 60), "unknown kind": entry("partner", storage.FeedDeny, "acme", 0, 60),
		"unknown action": entry(storage.FeedToken, "forgive", "jti", 0, 60), "client without generation": denyClient("edge", 0, 60),
		"token with generation": withGeneration, "client lifted": liftedClient,
	} {
		t.Run(name, func(t *testing.T) {
			if err := failing(t, s, refusedEntry(e)); err == nil {
				t.Error("accepted")
			}
		})
	}
	wantFeed(t, s, 5, epoch, "delta to 5: ") // no gap was left
	if seq := publish(t, s, denyToken("next", 60)); seq != 6 {
		t.Errorf("the entry after refused ones has number %d, want 6", seq)
	}
}

// testFeedKeeps: nothing an entry did is undone because a later one of its subject
// ends earlier or says less.
func testFeedKeeps(t *testing.T, s storage.Store) {
	ctx := t.Context()
	publish(t, s, denyClient("edge", 5, 100), denyClient("edge", 3, 50), denyToken("jti", 100), entry(storage.FeedToken, storage.FeedLift, "jti", 0, 10))
	publish(t, s, denyClient("edge", 6, 70), denyClient("other", 2, 20), entry(storage.FeedKey, storage.FeedDeny, "jti", 0, 20))
	var got []string
	for _, e := range must[storage.Feed](t)(s.FeedEntries(ctx, 0, epoch, 1000)).Entries {
		got = append(got, fmt.Sprintf("%s %s %d +%d", e.Action, e.Subject, e.MinGeneration, int(e.ExpiresAt.Sub(stored(0)).Seconds())))
	}
	same(t, "entries", got, []string{
		"deny edge 5 +100", "deny edge 5 +100", "deny jti 0 +100", "lift jti 0 +100",
		"deny edge 6 +100", "deny other 2 +20", "deny jti 0 +20",
	})
}

func testFeedPruning(t *testing.T, s storage.Store) {
	if n := prune(t, s, epoch); n != 0 {
		t.Errorf("%d entries pruned of none", n)
	}
	publish(t, s, denyToken("a", 10), denyToken("b", 30), denyToken("c", 20), denyToken("d", 40))
	wantPruned := func(now time.Time, want int64) {
		t.Helper()
		if n := prune(t, s, now); n != want {
			t.Errorf("%d entries pruned, want %d", n, want)
		}
	}
	wantPruned(stored(9), 0)
	wantFeed(t, s, 1, epoch, "delta to 4: 2 3 4")
	wantPruned(stored(20), 2) // a and c
	// Who knew up to 1 or 2 has not seen 3 and never will: he would have forgotten it.
	wantFeed(t, s, 1, epoch, "delta to 4: 2 4")
	wantFeed(t, s, 2, epoch, "delta to 4: 4")
	wantFeed(t, s, 3, epoch, "delta to 4: 4")
	wantFeed(t, s, 4, epoch, "delta to 4: ")
	wantPruned(stored(30), 1) // b
	wantFeed(t, s, 3, epoch, "delta to 4: 4")
	wantPruned(stored(100), 1)
	wantFeed(t, s, 3, epoch, "delta to 4: ")
	wantFeed(t, s, 4, epoch, "delta to 4: ")
	if seq := publish(t, s, denyToken("e", 200)); seq != 5 { // numbers are never used again
		t.Errorf("the entry after pruning has number %d, want 5", seq)
	}
	wantFeed(t, s, 4, epoch, "delta to 5: 5")
}

func testDenied(t *testing.T, s storage.Store) {
	ctx := t.Context()
	denied := func(r storage.Reader, kind storage.FeedKind, subject string, now int) bool {
		t.Helper()
		return must[bool](t)(r.Denied(ctx, kind, subject, stored(now)))
	}
	want := func(subject string, now int, want bool) {
		t.Helper()
		if got := denied(s, storage.FeedToken, subject, now); got != want {
			t.Errorf("%q denied after %d s: %v, want %v", subject, now, got, want)
		}
	}
	want("jti", 0, false)
	publish(t, s, denyToken("jti", 60))
	want("jti", 0, true)
	want("jti", 59, true)
	want("jti", 60, false)
	want("other", 0, false)
	want("JTI", 0, false)
	if denied(s, storage.FeedCertificate, "jti", 0) || denied(s, storage.FeedKey, "jti", 0) {
		t.Error("a denied token denies another kind")
	}
	publish(t, s, entry(storage.FeedToken, storage.FeedLift, "jti", 0, 60))
	want("jti", 0, false)
	do(t, s, func(tx storage.Tx) error {
		if _, err := tx.AppendFeed(ctx, []storage.FeedEntry{denyToken("jti", 90)}); err != nil {
			return err
		}
		if !denied(tx, storage.FeedToken, "jti", 0) {
			t.Error("a transaction does not see its own denial")
		}
		want("jti", 0, false) // and nobody else does yet
		return nil
	})
	want("jti", 89, true)
	publish(t, s, denyClient("edge", 2, 60))
	_, err := s.Denied(ctx, storage.FeedClient, "edge", epoch)
	if err == nil || err.Error() != "storage: a client is judged by its generation, not by a denial" {
		t.Errorf("asked for a client: got error %v", err)
	}
}
