package audit_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// forged is a store in which somebody has been at work.
type forged struct {
	storage.Store
	change func([]storage.AuditEvent) []storage.AuditEvent
}

func (f *forged) AuditChain(ctx context.Context, stream, after int64, limit int) ([]storage.AuditEvent, error) {
	events, err := f.Store.AuditChain(ctx, stream, 0, 1000)
	if err != nil {
		return nil, err
	}
	events = f.change(events)
	events = slices.DeleteFunc(events, func(e storage.AuditEvent) bool { return e.Seq <= after })
	return events[:min(limit, len(events))], nil
}

func TestVerifyFindsWhatWasDone(t *testing.T) {
	store := open(t)
	recorder, _ := run(t, store, nil)
	for i := range 10 {
		if err := recorder.Record(t.Context(), issued(i)); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(change func(*storage.AuditEvent)) func([]storage.AuditEvent) []storage.AuditEvent {
		return func(events []storage.AuditEvent) []storage.AuditEvent {
			change(&events[4])
			return events
		}
	}
	for _, c := range []struct {
		name   string
		change func([]storage.AuditEvent) []storage.AuditEvent
		want   string
	}{
		{"nothing", func(e []storage.AuditEvent) []storage.AuditEvent { return e }, ""},
		{"deleted in the middle", func(e []storage.AuditEvent) []storage.AuditEvent { return slices.Delete(e, 4, 5) }, "stream as-1, event 5: missing: the next event is 6"},
		{"deleted at the beginning", func(e []storage.AuditEvent) []storage.AuditEvent { return e[1:] }, "stream as-1, event 1: missing: the next event is 2"},
		{"cut at the end", func(e []storage.AuditEvent) []storage.AuditEvent { return e[:9] }, "stream as-1, event 10: the chain ends at event 9, its head says 10"},
		{"all deleted", func([]storage.AuditEvent) []storage.AuditEvent { return nil }, "the chain ends at event 0, its head says 10"},
		{"swapped", func(e []storage.AuditEvent) []storage.AuditEvent {
			e[3].Seq, e[4].Seq = e[4].Seq, e[3].Seq
			e[3], e[4] = e[4], e[3]
			return e
		}, "event 4: does not follow the event before it"},
		{"another client", edit(func(e *storage.AuditEvent) { e.ClientID = "mallory" }), "event 5: was changed"},
		{"another time", edit(func(e *storage.AuditEvent) { e.Time = e.Time.Add(1e9) }), "event 5: was changed"},
		{"another reason", edit(func(e *storage.AuditEvent) { e.Reason = "x" }), "event 5: was changed"},
		{"another kind", edit(func(e *storage.AuditEvent) { e.Kind = "x" }), "event 5: was changed"},
		{"another actor", edit(func(e *storage.AuditEvent) { e.Actor = "x" }), "event 5: was changed"},
		{"another partner", edit(func(e *storage.AuditEvent) { e.PartnerID = "x" }), "event 5: was changed"},
		{"another token", edit(func(e *storage.AuditEvent) { e.TokenID = "x" }), "event 5: was changed"},
		{"another certificate", edit(func(e *storage.AuditEvent) { e.Thumbprint[0]++ }), "event 5: was changed"},
		{"another request", edit(func(e *storage.AuditEvent) { e.RequestID = "" }), "event 5: was changed"},
		{"another detail", edit(func(e *storage.AuditEvent) { e.Detail = "{}" }), "event 5: was changed"},
		{"text moved between members", edit(func(e *storage.AuditEvent) {
			e.PartnerID, e.ClientID = e.PartnerID+e.ClientID[:1], e.ClientID[1:]
		}), "event 5: was changed"},
		{"changed, with a new hash", edit(func(e *storage.AuditEvent) { e.Hash[0]++ }), "event 6: does not follow the event before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := audit.Verify(t.Context(), &forged{store, c.change}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, fault := range report.Faults {
				text.WriteString(fault.String() + "\n")
			}
			if (c.want == "") != (text.Len() == 0) || !strings.Contains(text.String(), c.want) {
				t.Errorf("faults:\n%s\nwant %q", text.String(), c.want)
			}
		})
	}
}

// TestVerifyFindsWhatWasDoneInABatch: events that share a row are vouched for one by
// one.
func TestVerifyFindsWhatWasDoneInABatch(t *testing.T) {
	swap := func(lines []string, a, b int) []string {
		lines[a], lines[b] = lines[b], lines[a]
		return lines
	}
	for _, c := range []struct {
		name   string
		change func(lines []string) []string
		want   string // "" for no fault
	}{
		{"nothing", func(l []string) []string { return l }, ""},
		{"the first deleted", func(l []string) []string { return l[1:] }, "event 1: missing: the next event is 2"},
		{"one deleted", func(l []string) []string { return slices.Delete(l, 2, 3) }, "event 3: missing: the next event is 4"},
		{"the last deleted", func(l []string) []string { return l[:4] }, "event 5: missing: the next event is 6"},
		{"one twice", func(l []string) []string { return slices.Insert(l, 2, l[2]) }, "event 4: missing: the next event is 3"},
		{"swapped", func(l []string) []string { return swap(l, 1, 2) }, "event 2: missing: the next event is 3"},
		{"swapped, and numbered anew", func(l []string) []string {
			l = swap(l, 1, 2)
			l[1], l[2] = strings.Replace(l[1], `"seq":3`, `"seq":2`, 1), strings.Replace(l[2], `"seq":2`, `"seq":3`, 1)
			return l
		}, "event 2: was changed"},
		{"edited", func(l []string) []string {
			l[3] = strings.Replace(l[3], `"acme"`, `"evil"`, 1)
			return l
		}, "event 4: was changed"},
		{"other words", func(l []string) []string {
			l[3] = strings.Replace(l[3], `"partner":"acme"`, `"partner":"evil","partner":"acme"`, 1)
			return l
		}, "event 4: was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "certbound.db")
			store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			recorder, stop := run(t, store, nil)
			err = store.Update(t.Context(), func(tx storage.Tx) error {
				return recorder.Append(t.Context(), tx, issued(1), issued(2), issued(3), issued(4), issued(5))
			})
			if err == nil {
				err = recorder.Record(t.Context(), issued(6))
			}
			stop()
			if err != nil {
				t.Fatal(err)
			}
			edit(t, path, c.change)
			report, err := audit.Verify(t.Context(), store, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(report.Faults)
			if (c.want == "") != (len(report.Faults) == 0) || !strings.Contains(text, c.want) {
				t.Errorf("faults %s, want %q", text, c.want)
			}
		})
	}
}

// edit changes the lines of the first batch in a database file.
func edit(t *testing.T, path string, change func(lines []string) []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var body string
	if err := db.QueryRowContext(t.Context(), "SELECT body FROM audit_batches WHERE first_seq = 1").Scan(&body); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.Trim(body, "[]"), ",\n")
	if len(lines) != 5 {
		t.Fatalf("the batch has %d lines: %s", len(lines), body)
	}
	body = "[" + strings.Join(change(lines), ",\n") + "]"
	if _, err := db.ExecContext(t.Context(), "UPDATE audit_batches SET body = $1 WHERE first_seq = 1", body); err != nil {
		t.Fatal(err)
	}
}
