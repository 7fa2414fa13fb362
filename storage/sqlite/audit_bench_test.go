package sqlite_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

const (
	benchPartners = 20
	benchClients  = 10 // of each partner
	benchEvents   = 200_000
)

// issued is an audit event as a token request makes it: client n, one a
// millisecond. Every 1000th is a refusal.
func issued(n int64) storage.AuditEvent {
	client := n * 7919 % (benchPartners * benchClients)
	e := storage.AuditEvent{
		Time: time.Unix(1_800_000_000+n/1000, 0), Kind: "token.issued",
		PartnerID: fmt.Sprintf("partner-%d", client/benchClients), ClientID: fmt.Sprintf("client-%d", client),
		Thumbprint: thumbprint.Thumbprint(sha256.Sum256(fmt.Append(nil, client))),
		TokenID:    fmt.Sprintf("jti-%018d", n), RequestID: fmt.Sprintf("%032x", n),
		Detail: `{"audience":"https://api.example","scopes":["accounts:read","accounts:write"],"expires":1800000300}`,
	}
	if n%1000 == 0 {
		e.Kind, e.Reason = "token.refused", "subject_mismatch"
	}
	return e
}

// appendIssued commits count events, as the group commit does.
func appendIssued(ctx context.Context, s storage.Store, count int) error {
	return s.Update(ctx, func(tx storage.Tx) error {
		stream, err := tx.AuditStreamFor(ctx, "a", time.Unix(1, 0))
		if err != nil {
			return err
		}
		events := make([]storage.AuditEvent, count)
		seq, prev := stream.HeadSeq, stream.HeadHash
		for i := range events {
			seq++
			events[i] = issued(seq)
			events[i].StreamID, events[i].Seq, events[i].Prev = stream.ID, seq, prev
			events[i].Hash = sha256.Sum256(fmt.Append(prev[:], seq))
			prev = events[i].Hash
		}
		return tx.AppendAuditEvents(ctx, stream.ID, events)
	})
}

// BenchmarkAppendAuditEvents is one group commit by the size of its batch, with
// the flush to disk.
func BenchmarkAppendAuditEvents(b *testing.B) {
	for _, size := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, ctx := newStore(b), b.Context()
			rows := 0
			for b.Loop() {
				if err := appendIssued(ctx, s, size); err != nil {
					b.Fatal(err)
				}
				rows += size
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(rows), "µs/event")
		})
	}
}

// index indexes what is not yet.
func index(ctx context.Context, s storage.Store) error {
	return s.Update(ctx, func(tx storage.Tx) error {
		_, err := tx.IndexAuditEvents(ctx, 1, nil, 1<<20)
		return err
	})
}

// BenchmarkIndexAuditEvents is what the index costs besides, by how many events are
// indexed at once: those of a second are of 200 clients.
func BenchmarkIndexAuditEvents(b *testing.B) {
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, ctx := newStore(b), b.Context()
			rows := 0
			for b.Loop() {
				b.StopTimer()
				if err := appendIssued(ctx, s, size); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := index(ctx, s); err != nil {
					b.Fatal(err)
				}
				rows += size
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(rows), "µs/event")
		})
	}
}

// BenchmarkAuditEvents reads pages of 100 out of many events. Those by an index
// cost the same whatever the table holds; the last ones walk through a window.
func BenchmarkAuditEvents(b *testing.B) {
	s, ctx := newStore(b), b.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		for client := range benchPartners * benchClients {
			partner := fmt.Sprintf("partner-%d", client/benchClients)
			if client%benchClients == 0 {
				if err := tx.CreatePartner(ctx, storage.Partner{ID: partner, CreatedAt: time.Unix(1, 0)}); err != nil {
					return err
				}
			}
			c := storage.Client{
				ID: fmt.Sprintf("client-%d", client), PartnerID: partner,
				Method: storage.SelfSignedTLSClientAuth, CreatedAt: time.Unix(1, 0),
			}
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	for i := 0; i < benchEvents && err == nil; i += 1000 {
		if err = appendIssued(ctx, s, 1000); err == nil {
			err = index(ctx, s)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	middle := storage.AuditCursor{Time: time.Unix(1_800_000_000+benchEvents/2000, 0), StreamID: 1}
	minute := storage.AuditQuery{Since: middle.Time, Until: middle.Time.Add(time.Minute)}
	for _, c := range []struct {
		name  string
		query storage.AuditQuery
	}{
		{"newest", storage.AuditQuery{}},
		{"client", storage.AuditQuery{ClientID: "client-7"}},
		{"client, from the middle", storage.AuditQuery{ClientID: "client-7", Before: middle}},
		{"partner of 10 clients", storage.AuditQuery{PartnerID: "partner-7"}},
		{"partner, from the middle", storage.AuditQuery{PartnerID: "partner-7", Before: middle}},
		{"request", storage.AuditQuery{RequestID: fmt.Sprintf("%032x", benchEvents/2)}},
		{"reason in a minute (60 000 events)", storage.AuditQuery{Reason: "subject_mismatch", Since: minute.Since, Until: minute.Until}},
		{"thumbprint that is not there in a minute", storage.AuditQuery{Thumbprint: thumbprint.Thumbprint{1}, Since: minute.Since, Until: minute.Until}},
		{"thumbprint that is not there", storage.AuditQuery{Thumbprint: thumbprint.Thumbprint{1}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.query.Limit = 100
			for b.Loop() {
				if _, err := s.AuditEvents(ctx, c.query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
