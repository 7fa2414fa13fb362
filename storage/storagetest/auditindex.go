package storagetest

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// index lets events of a stream be found by the index.
func index(t testing.TB, s storage.Store, streamID int64, known []storage.AuditEvent, limit int) (indexed int) {
	t.Helper()
	do(t, s, func(tx storage.Tx) (err error) {
		indexed, err = tx.IndexAuditEvents(t.Context(), streamID, known, limit)
		return err
	})
	return indexed
}

// indexEverything does so for all streams.
func indexEverything(t testing.TB, s storage.Store) {
	t.Helper()
	for _, stream := range must[[]storage.AuditStream](t)(s.AuditStreams(t.Context())) {
		index(t, s, stream.ID, nil, 1<<20)
	}
}

func testAuditIndex(t *testing.T, s storage.Store) {
	events := appendTo(t, s, "one", fullEvent(), fullEvent(), fullEvent())
	id := events[0].StreamID
	mark := func() int64 { return must[[]storage.AuditStream](t)(s.AuditStreams(t.Context()))[0].IndexedSeq }
	for _, step := range []struct {
		known         []storage.AuditEvent
		limit         int
		indexed, mark int
	}{{nil, 2, 2, 2}, {events, 1, 1, 3}, {events, 9, 0, 3}, {nil, 9, 0, 3}} {
		if got := index(t, s, id, step.known, step.limit); got != step.indexed || mark() != int64(step.mark) {
			t.Errorf("%+v: indexed %d, mark %d", step, got, mark())
		}
	}
	err := s.Update(t.Context(), func(tx storage.Tx) error {
		_, err := tx.IndexAuditEvents(t.Context(), 99, nil, 1)
		return err
	})
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a stream that is not: %v", err)
	}
}

// testAuditCommit: what Update would do, at once, if nothing has come between.
func testAuditCommit(t *testing.T, s storage.Store) {
	ctx := t.Context()
	seed(t, s)
	appendTo(t, s, "one", fullEvent())
	stream := must[[]storage.AuditStream](t)(s.AuditStreams(ctx))[0]
	version := must[int64](t)(s.RegistrationVersion(ctx))
	events := chained(stream, fullEvent(), fullEvent())
	for name, c := range map[string]struct {
		events       []storage.AuditEvent
		registration int64
		want         error
	}{
		"nothing":              {nil, 0, nil},
		"another registration": {events, version + 1, storage.ErrStale},
		"what is there":        {chained(storage.AuditStream{ID: stream.ID}, fullEvent()), 0, storage.ErrStale},
	} {
		if err := s.CommitAuditEvents(ctx, stream.ID, c.events, c.registration); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
	if err := s.CommitAuditEvents(ctx, stream.ID, chained(stream, storage.AuditEvent{Time: epoch}), 0); err == nil {
		t.Error("an event without a kind was accepted")
	}
	wantChains(t, s, 1)
	if err := s.CommitAuditEvents(ctx, stream.ID, events, version); err != nil {
		t.Fatal(err)
	}
	more := chained(storage.AuditStream{ID: stream.ID, HeadSeq: 3, HeadHash: events[1].Hash}, fullEvent())
	if err := s.CommitAuditEvents(ctx, stream.ID, more, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitAuditEvents(ctx, stream.ID, more, 0); !errors.Is(err, storage.ErrStale) {
		t.Errorf("twice: got error %v, want ErrStale", err)
	}
	wantChains(t, s, 4)
}

// randomEvent is one of few that are alike in some way. Its time goes back and
// forth, as that of requests that take their time.
func randomEvent(dice *rand.Rand) storage.AuditEvent {
	some := func(values ...string) string { return values[dice.IntN(len(values))] }
	e := storage.AuditEvent{
		Time: stored(100 + dice.IntN(20)), Kind: some("token.issued", "token.issued", "token.refused", "client.disabled"),
		ClientID: some("edge", "edge", "other", "globex-app", "nobody", ""), PartnerID: some("acme", "globex", ""),
		TokenID: some("", "jti"), RequestID: some("", hexID(1), hexID(2), hexID(1<<40)), Detail: "{}",
	}
	if e.Kind == "token.refused" {
		e.Reason = some("client_unknown", "subject_mismatch")
	}
	if dice.IntN(3) > 0 {
		e.Thumbprint = sha256.Sum256([]byte{byte(dice.IntN(3))})
	}
	return e
}

func randomQuery(dice *rand.Rand, all []storage.AuditEvent) storage.AuditQuery {
	like := all[dice.IntN(len(all))]
	some := func(value string) string {
		if dice.IntN(4) == 0 {
			return value
		}
		return ""
	}
	q := storage.AuditQuery{
		ClientID: some(like.ClientID), PartnerID: some(like.PartnerID), Kind: some(like.Kind), Reason: some(like.Reason),
		TokenID: some(like.TokenID), RequestID: some(like.RequestID), Limit: 1 + dice.IntN(30),
	}
	if dice.IntN(4) == 0 {
		q.Thumbprint = like.Thumbprint
	}
	if dice.IntN(3) == 0 {
		q.Since = stored(100 + dice.IntN(20)).Add(time.Duration(dice.IntN(2)))
	}
	if dice.IntN(3) == 0 {
		q.Until = stored(100 + dice.IntN(20)).Add(time.Duration(dice.IntN(2)))
	}
	if dice.IntN(3) == 0 {
		q.Before = storage.AuditCursor{Time: like.Time, StreamID: like.StreamID, Seq: like.Seq}
	}
	return q
}

// scan answers a query from all events, one by one.
func scan(all []storage.AuditEvent, q storage.AuditQuery, partners map[string]string) []storage.AuditEvent {
	is := func(wanted, value string) bool { return wanted == "" || wanted == value }
	older := func(a, b storage.AuditEvent) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.StreamID, b.StreamID), cmp.Compare(a.Seq, b.Seq))
	}
	cursor := storage.AuditEvent{Time: q.Before.Time, StreamID: q.Before.StreamID, Seq: q.Before.Seq}
	found := []storage.AuditEvent{}
	for _, e := range all {
		partner := partners[e.ClientID]
		if e.ClientID == "" {
			partner = e.PartnerID
		}
		if is(q.ClientID, e.ClientID) && is(q.PartnerID, partner) && is(q.Kind, e.Kind) && is(q.Reason, e.Reason) &&
			is(q.TokenID, e.TokenID) && is(q.RequestID, e.RequestID) &&
			(q.Thumbprint == thumbprint.Thumbprint{} || q.Thumbprint == e.Thumbprint) &&
			!e.Time.Before(q.Since) && (q.Until.IsZero() || e.Time.Before(q.Until)) &&
			(q.Before.Time.IsZero() || older(e, cursor) < 0) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b storage.AuditEvent) int { return older(b, a) })
	return found[:min(len(found), q.Limit)]
}

// testAuditScan: whatever is indexed and whatever is not, in batches of any size,
// answers are those of reading all events one by one.
func testAuditScan(t *testing.T, s storage.Store) {
	dice := rand.New(rand.NewPCG(1, 2))
	seed(t, s)
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreatePartner(t.Context(), partner("globex")); err != nil {
			return err
		}
		theirs := selfSignedClient("globex-app")
		theirs.PartnerID = "globex"
		return errors.Join(tx.CreateClient(t.Context(), theirs), tx.CreateClient(t.Context(), selfSignedClient("edge")),
			tx.CreateClient(t.Context(), selfSignedClient("other")))
	})
	partners := map[string]string{"globex-app": "globex", "edge": "acme", "other": "acme"}
	var all []storage.AuditEvent
	for round := range 30 {
		events := make([]storage.AuditEvent, 1+dice.IntN(12))
		for i := range events {
			events[i] = randomEvent(dice)
		}
		all = append(all, appendTo(t, s, fmt.Sprintf("instance-%d", dice.IntN(3)), events...)...)
		if dice.IntN(3) == 0 { // as a recorder that has some of the events still, and stops anywhere
			id := all[dice.IntN(len(all))].StreamID
			known := slices.DeleteFunc(slices.Clone(all), func(e storage.AuditEvent) bool { return e.StreamID != id })
			index(t, s, id, known[dice.IntN(len(known)):], 1+dice.IntN(20))
		}
		for range 8 {
			q := randomQuery(dice, all)
			same(t, fmt.Sprintf("round %d: %+v", round, q), must[[]storage.AuditEvent](t)(s.AuditEvents(t.Context(), q)), scan(all, q, partners))
		}
	}
}
