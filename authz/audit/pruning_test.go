package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// trail is a database with the chains of two instances and whoever prunes them.
type trail struct {
	storage.Store
	t        *testing.T
	path     string
	ring     *keys.Ring
	recorder *audit.Recorder
	other    *audit.Recorder
	log      *strings.Builder
	now      time.Time
}

func newTrail(t *testing.T) *trail {
	t.Helper()
	tr := &trail{t: t, path: filepath.Join(t.TempDir(), "certbound.db"), ring: ring(t, audit.CheckpointPurpose), log: &strings.Builder{}, now: start}
	store, err := sqlite.Open(t.Context(), tr.path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	tr.Store = store
	for instance, into := range map[string]**audit.Recorder{"as-1": &tr.recorder, "as-2": &tr.other} {
		*into, err = audit.New(audit.Config{Store: store, Instance: instance, Clock: tr.clock, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

func (tr *trail) clock() time.Time { return tr.now }

func (tr *trail) update(fn func(ctx context.Context, tx storage.Tx) error) {
	tr.t.Helper()
	ctx := context.Background()
	if err := tr.Update(ctx, func(tx storage.Tx) error { return fn(ctx, tx) }); err != nil {
		tr.t.Fatal(err)
	}
}

// life appends events to both chains, one by one.
func (tr *trail) life(count int) {
	tr.t.Helper()
	for i := range count {
		for _, r := range []*audit.Recorder{tr.recorder, tr.other} {
			e := issued(i)
			e.Time = tr.now
			tr.update(func(ctx context.Context, tx storage.Tx) error { return r.Append(ctx, tx, e) })
		}
	}
}

func (tr *trail) checkpoint() (string, *audit.Checkpoint) {
	tr.t.Helper()
	var compact string
	var c *audit.Checkpoint
	tr.update(func(ctx context.Context, tx storage.Tx) error {
		stored, signed, err := audit.AddCheckpoint(ctx, tx, tr.ring, tr.now)
		compact, c = stored.JWS, signed
		return err
	})
	return compact, c
}

// prune gives up what the checkpoint covers, as the admin API does.
func (tr *trail) prune(compact string, c *audit.Checkpoint) error {
	return tr.Update(context.Background(), func(tx storage.Tx) error {
		ctx := context.Background()
		p, given, err := audit.Prune(ctx, tx, tr.ring, compact, c, "root", tr.now)
		if err != nil {
			return err
		}
		return tr.recorder.Append(ctx, tx, audit.Event{Time: tr.now, Kind: audit.TrailPruned, Actor: "root", Detail: p.Detail(given)})
	})
}

func (tr *trail) sweeper(retention time.Duration) *audit.Sweeper {
	tr.t.Helper()
	s, err := audit.NewSweeper(audit.SweeperConfig{
		Store: tr, Audit: tr.recorder, Signer: tr.ring, Clock: tr.clock, Logger: slog.New(slog.NewTextHandler(tr.log, nil)), Retention: retention,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	return s
}

// sweep runs a sweeper until done reports that it has done its work.
func (tr *trail) sweep(s *audit.Sweeper, done func() bool) {
	tr.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			tr.t.Fatal("the sweeper does not come to its end")
		}
	}
}

func (tr *trail) events() (n int64) {
	tr.t.Helper()
	report, err := audit.Verify(context.Background(), tr, tr.ring.PublicJWKS(), nil)
	if err != nil {
		tr.t.Fatal(err)
	}
	return report.Events
}

func (tr *trail) sql(statement string) {
	tr.t.Helper()
	db, err := sql.Open("sqlite", "file:"+tr.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		tr.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *trail) count(table string) (n int) {
	tr.t.Helper()
	db, err := sql.Open("sqlite", "file:"+tr.path)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(context.Background(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		tr.t.Fatal(err)
	}
	return n
}

func (tr *trail) faults(kept *audit.Checkpoint) string {
	tr.t.Helper()
	report, err := audit.Verify(context.Background(), tr, tr.ring.PublicJWKS(), kept)
	if err != nil {
		tr.t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range report.Faults {
		text.WriteString(f.String() + "\n")
	}
	return text.String()
}

// TestPrunedTrail: what a checkpoint covers goes, in every chain, and nothing else;
// at each step the trail verifies, and says from where on.
func TestPrunedTrail(t *testing.T) {
	tr := newTrail(t)
	tr.life(3)
	_, early := tr.checkpoint()
	tr.life(2)
	compact, c := tr.checkpoint()
	tr.life(2)
	if err := tr.prune(compact, c); err != nil {
		t.Fatal(err)
	}
	for range 3 { // given up, in the middle, deleted
		report, err := audit.Verify(t.Context(), tr, tr.ring.PublicJWKS(), early)
		if err != nil || len(report.Faults) > 0 || len(report.Pruned) != 2 {
			t.Fatalf("%+v %v", report, err)
		}
		for _, p := range report.Pruned {
			if p.Seq != 5 || p.Covered != 3 || p.Pruning.By != "root" || p.Pruning.Events != 10 || p.Pruning.Until.IssuedAt != start.Unix() {
				t.Errorf("%+v %+v", p, p.Pruning)
			}
		}
		tr.sql("DELETE FROM audit_batches WHERE first_seq <= 2")
	}
	tr.sweep(tr.sweeper(0), func() bool { return tr.count("audit_batches") == 5 })
	if got := tr.events(); got != 5 {
		t.Errorf("%d events are left, want 5", got)
	}
	if tr.faults(early) != "" || tr.faults(c) != "" || tr.faults(nil) != "" {
		t.Errorf("faults:\n%s%s%s", tr.faults(early), tr.faults(c), tr.faults(nil))
	}
	if err := tr.prune(compact, c); !errors.Is(err, audit.ErrNothingToPrune) {
		t.Errorf("once more: %v", err)
	}
	// A second pruning, which gives up the record of the first.
	tr.life(1)
	compact, c = tr.checkpoint()
	if err := tr.prune(compact, c); err != nil {
		t.Fatal(err)
	}
	tr.sweep(tr.sweeper(0), func() bool { return tr.count("audit_batches") == 1 })
	if got, postings := tr.faults(c), tr.count("audit_postings"); got != "" || postings != 0 {
		t.Errorf("faults %s, %d postings", got, postings)
	}
}

// TestDishonestPruning: rows that are missing without a signed pruning are missed,
// and so is what was done to a trail after an honest one.
func TestDishonestPruning(t *testing.T) {
	const begin = "UPDATE audit_streams SET pruned_seq = %d, indexed_seq = 20, pruned_hash = (SELECT hash FROM audit_batches WHERE first_seq = %d AND stream_id = audit_streams.id); DELETE FROM audit_batches WHERE first_seq <= %d"
	for _, c := range []struct {
		name, change, want string
		honest             bool // a pruning came before
	}{
		{"a beginning without leave", fmt.Sprintf(begin, 4, 4, 4), "event 4: the chain is said to begin behind this event, and no pruning signed by this server says so", false},
		{"a checkpoint's beginning without leave", fmt.Sprintf(begin, 5, 5, 5), "event 5: the chain is said to begin behind this event, and no pruning", false},
		{"nothing but rows", "DELETE FROM audit_batches WHERE first_seq <= 5", "event 1: missing: the next event is 6", false},
		{"beyond the checkpoint", fmt.Sprintf(begin, 6, 6, 6), "event 6: the chain is said to begin behind this event, and no pruning", true},
		{"rows beyond the checkpoint", "DELETE FROM audit_batches WHERE first_seq <= 6", "event 6: missing: the next event is 7", true},
		{"an edit behind it", `UPDATE audit_batches SET body = replace(body, '"acme"', '"evil"') WHERE first_seq = 6`, "event 6: was changed", true},
		{"an edit of what is on its way out", `UPDATE audit_batches SET body = replace(body, '"acme"', '"evil"') WHERE first_seq = 3`, "event 3: was changed", true},
		{"a hole behind it", "DELETE FROM audit_batches WHERE first_seq = 7", "event 7: missing: the next event is 8", true},
		{"the statement deleted", "DELETE FROM audit_prunings", "no pruning signed by this server", true},
		{"another hash", "UPDATE audit_streams SET pruned_hash = zeroblob(32)", "no pruning signed by this server", true},
		{"the beginning forgotten", "UPDATE audit_streams SET pruned_seq = 0; DELETE FROM audit_batches WHERE first_seq <= 5", "event 1: missing", true},
		{"its record cut off", "DELETE FROM audit_batches WHERE first_seq = 9; UPDATE audit_streams SET indexed_seq = 5", "pruning 1: the event that records it, by root, is gone", true},
		{"a checkpoint for a statement", "UPDATE audit_prunings SET jws = (SELECT jws FROM audit_checkpoints)", "no pruning signed by this server", true},
		{"nothing", "SELECT 1", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrail(t)
			tr.life(5)
			compact, checkpoint := tr.checkpoint()
			tr.life(3)
			if c.honest {
				if err := tr.prune(compact, checkpoint); err != nil {
					t.Fatal(err)
				}
			}
			tr.sql(c.change)
			if got := tr.faults(nil); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("faults:\n%swant %q", got, c.want)
			}
		})
	}
}

// TestPruneRefuses: what may be evidence is not given up.
func TestPruneRefuses(t *testing.T) {
	for name, change := range map[string]string{
		"rewritten": "UPDATE audit_batches SET body = replace(body, '\"hash\":\"', '\"hash\":\"A') WHERE first_seq = 5",
		"cut":       "DELETE FROM audit_batches WHERE first_seq >= 5",
		"gone":      "DELETE FROM audit_batches; DELETE FROM audit_postings; DELETE FROM audit_streams",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			tr.life(5)
			compact, c := tr.checkpoint()
			tr.sql(change)
			if err := tr.prune(compact, c); !errors.Is(err, audit.ErrOtherTrail) {
				t.Errorf("got error %v", err)
			}
		})
	}
	if _, err := audit.ParsePruning("x", []byte("{}")); err == nil {
		t.Error("no statement was accepted")
	}
}

// TestSweeperKeepsEvidence: a chain that does not hold is not deleted further.
func TestSweeperKeepsEvidence(t *testing.T) {
	tr := newTrail(t)
	tr.life(5)
	compact, c := tr.checkpoint()
	if err := tr.prune(compact, c); err != nil {
		t.Fatal(err)
	}
	tr.sql(`UPDATE audit_batches SET body = replace(body, '"acme"', '"evil"') WHERE first_seq = 3 AND stream_id = 1`)
	s := tr.sweeper(0)
	tr.sweep(s, func() bool {
		deleted, failed := s.Deleted()
		return deleted == 5 && failed == 1
	})
	if got := tr.faults(nil); got != "stream "+instanceOf(t, tr, 1)+", event 3: was changed\n" {
		t.Errorf("faults %s", got)
	}
	if !strings.Contains(tr.log.String(), "audit_pruning_stopped") {
		t.Errorf("log %s", tr.log)
	}
}

func instanceOf(t *testing.T, tr *trail, id int64) string {
	t.Helper()
	streams, err := tr.AuditStreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if s.ID == id {
			return s.Instance
		}
	}
	t.Fatal("no such stream")
	return ""
}

// TestRetention: with time, and with nobody asking for anything, a checkpoint is
// signed a day and what is older than the retention goes; an administrator cannot
// take more.
func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	tr := newTrail(t)
	s := tr.sweeper(40 * day)
	for range 50 {
		tr.life(1)
		before := tr.count("audit_checkpoints")
		tr.sweep(s, func() bool { return tr.count("audit_checkpoints") == before+1 })
		tr.now = tr.now.Add(day)
	}
	oldest := tr.now.Add(-42 * day)
	streams, err := tr.AuditStreams(t.Context())
	if err != nil || len(streams) != 2 {
		t.Fatal(streams, err)
	}
	tr.sweep(s, func() bool {
		for _, stream := range streams {
			first, err := tr.AuditChain(t.Context(), stream.ID, 0, 1)
			if err != nil || len(first) != 1 || first[0].Time.Before(oldest) {
				return false
			}
		}
		return true
	})
	for _, stream := range streams {
		if first, err := tr.AuditChain(t.Context(), stream.ID, 0, 1); err != nil || first[0].Time.After(tr.now.Add(-39*day)) {
			t.Errorf("%+v %v: younger than the retention", first, err)
		}
	}
	if got := tr.faults(nil); got != "" {
		t.Errorf("faults %s", got)
	}
	tr.now = tr.now.Add(-day)
	compact, c := tr.checkpoint()
	err = tr.Update(t.Context(), func(tx storage.Tx) error {
		_, _, err := s.Prune(t.Context(), tx, compact, c, "root")
		return err
	})
	if !errors.Is(err, audit.ErrRetained) {
		t.Errorf("got error %v, want ErrRetained", err)
	}
	if _, err := audit.NewSweeper(audit.SweeperConfig{
		Store: tr, Audit: tr.recorder, Signer: tr.ring, Clock: tr.clock, Logger: slog.Default(), Retention: day,
	}); err == nil {
		t.Error("a retention of a day was accepted")
	}
}

// mute is a key ring that has no key to sign with.
type mute struct{ *keys.Ring }

func (mute) Sign([]byte, string) (string, error) { return "", errors.New("no key") }

// TestSweepingNeedsNoKey: what an administrator gave up is deleted while the retention
// cannot give up more.
func TestSweepingNeedsNoKey(t *testing.T) {
	tr := newTrail(t)
	tr.life(3)
	if err := tr.prune(tr.checkpoint()); err != nil {
		t.Fatal(err)
	}
	tr.now = tr.now.Add(48 * time.Hour) // the daily checkpoint is due
	s, err := audit.NewSweeper(audit.SweeperConfig{
		Store: tr, Audit: tr.recorder, Signer: mute{tr.ring}, Clock: tr.clock, Logger: slog.New(slog.DiscardHandler), Retention: audit.MinRetention,
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.sweep(s, func() bool {
		deleted, failed := s.Deleted()
		return deleted == 6 && failed > 0
	})
}
