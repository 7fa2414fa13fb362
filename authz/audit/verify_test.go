package audit_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
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
			report, err := audit.Verify(t.Context(), &forged{store, c.change}, nil)
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
