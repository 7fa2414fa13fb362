package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// explaining notes the plan of every query that runs through it.
type explaining struct {
	db    *sql.DB
	steps []string
}

func (e *explaining) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	rows, err := e.db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		e.steps = append(e.steps, step)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return e.db.QueryContext(ctx, text, args...)
}

// TestPlans: the queries as they are really run find their rows by an index, in
// the order they are wanted in, and do not sort. Where one may walk along the
// order of time, or sort a few rows, it says so here.
func TestPlans(t *testing.T) {
	s := newStore(t, colliding())
	ctx := t.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		if err := create(ctx, tx, "acme"); err != nil {
			return err
		}
		return tx.CreateClient(ctx, storage.Client{ID: "edge", PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, CreatedAt: time.Unix(1, 0)})
	})
	if err != nil {
		t.Fatal(err)
	}
	cursor := storage.AuditCursor{Time: time.Unix(8, 0), StreamID: 1, Seq: 5}
	window := func(q storage.AuditQuery) storage.AuditQuery {
		q.Since, q.Until, q.Limit = time.Unix(1, 0), time.Unix(9, 0), 1
		q.Before = cursor
		return q
	}
	const (
		byTerm  = "SEARCH audit_postings USING PRIMARY KEY (term=? AND time>? AND (time,stream_id,seq)<(?,?,?))"
		byEvent = "SEARCH audit_batches USING INTEGER PRIMARY KEY (rowid<?)"
		byRange = "SEARCH audit_batches USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
	)
	err = s.Update(ctx, func(tx storage.Tx) error {
		stream, err := tx.AuditStreamFor(ctx, "a", time.Unix(1, 0))
		if err != nil {
			return err
		}
		e := next(stream)
		e.ClientID = "edge"
		if err := tx.AppendAuditEvents(ctx, stream.ID, []storage.AuditEvent{e}); err != nil {
			return err
		}
		_, err = tx.IndexAuditEvents(ctx, stream.ID, nil, 10)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		run   func(reader) error
		want  []string // each is the beginning of a step
		sorts bool     // a handful of rows
		walks bool     // along an index, in order, until there are enough
	}{
		{
			name: "audit", run: func(r reader) error {
				_, err := r.AuditEvents(ctx, storage.AuditQuery{ClientID: "edge", Limit: 100})
				return err
			},
			want: []string{byTerm, byEvent}, walks: true, // the streams
		},
		{
			name: "audit, page two", run: func(r reader) error {
				_, err := r.AuditEvents(ctx, window(storage.AuditQuery{Reason: "r"}))
				return err
			},
			want: []string{byTerm}, walks: true,
		},
		{
			name: "clients", run: func(r reader) error { _, err := r.Clients(ctx, storage.ClientQuery{After: "a", Limit: 10}); return err },
			want: []string{"SEARCH c USING PRIMARY KEY (id>?)"},
		},
		{
			name: "clients of a partner", run: func(r reader) error {
				_, err := r.Clients(ctx, storage.ClientQuery{PartnerID: "a", After: "a", Limit: 10})
				return err
			},
			want: []string{"SEARCH c USING INDEX clients_partner (partner_id=? AND id>?)"},
		},
		{
			name: "clients of a bundle", run: func(r reader) error {
				_, err := r.Clients(ctx, storage.ClientQuery{TrustBundle: "a", After: "a", Limit: 10})
				return err
			},
			want: []string{"SEARCH c USING INDEX clients_trust_bundle (trust_bundle=? AND id>?)"},
		},
		{
			name: "clients with a scope", run: func(r reader) error {
				_, err := r.Clients(ctx, storage.ClientQuery{Scope: "a", After: "a", Limit: 10})
				return err
			},
			want: []string{"SEARCH client_scopes USING COVERING INDEX client_scopes_scope (scope=?"},
		},
		{
			name: "clients of a subject", run: func(r reader) error { _, err := r.ClientsMatching(ctx, storage.SANDNS, "a"); return err },
			want: []string{"SEARCH c USING INDEX clients_subject (matcher_kind=? AND matcher_canonical=?)"}, sorts: true, // one a bundle
		},
		{
			name: "partners", run: func(r reader) error { _, err := r.Partners(ctx, "a", 10); return err },
			want: []string{"SEARCH partners USING PRIMARY KEY (id>?)"},
		},
		{
			name: "APIs", run: func(r reader) error { _, err := r.APIs(ctx, "a", 10); return err },
			want: []string{"SEARCH a USING PRIMARY KEY (id>?)"},
		},
		{
			name: "bundles", run: func(r reader) error { _, err := r.TrustBundlesAfter(ctx, "a", 10); return err },
			want: []string{"SEARCH b USING PRIMARY KEY (name>?)", "SEARCH v USING INDEX sqlite_autoindex_trust_bundle_versions_1 (name=? AND version=?)"},
		},
		{
			name: "versions of a bundle", run: func(r reader) error { _, err := r.TrustBundleVersions(ctx, "a"); return err },
			want: []string{"SEARCH v USING INDEX sqlite_autoindex_trust_bundle_versions_1 (name=?)"},
		},
		{
			name: "proposals", run: func(r reader) error {
				_, err := r.TrustProposals(ctx, storage.ProposalQuery{After: "a", Limit: 10})
				return err
			},
			want: []string{"SEARCH trust_proposals USING PRIMARY KEY (id>?)"},
		},
		{
			name: "proposals of a status", run: func(r reader) error {
				_, err := r.TrustProposals(ctx, storage.ProposalQuery{After: "a", Status: storage.ProposalOpen, Limit: 10})
				return err
			},
			want: []string{"SEARCH trust_proposals USING INDEX trust_proposals_status (status=? AND id>?)"},
		},
		{
			name: "open proposals", run: func(r reader) error { _, err := r.CountOpenProposals(ctx, time.Unix(9, 0)); return err },
			want: []string{"SEARCH trust_proposals USING"},
		},
		{
			name: "idempotent answer", run: func(r reader) error {
				_, err := r.IdempotentAnswer(ctx, "a", "k", time.Unix(1, 0))
				if errors.Is(err, storage.ErrNotFound) {
					err = nil
				}
				return err
			},
			want: []string{"SEARCH idempotency_keys USING INDEX sqlite_autoindex_idempotency_keys_1 (client_id=? AND key=?)"},
		},
		{
			name: "holders of a scope", run: func(r reader) error { _, err := r.ClientsHolding(ctx, "a"); return err },
			want: []string{"SEARCH c USING PRIMARY KEY (id=?)", "SEARCH client_scopes USING COVERING INDEX client_scopes_scope (scope=?)"},
		},
		{
			name: "expiring certificates", run: func(r reader) error {
				_, err := r.ExpiringCertificates(ctx, storage.CertificateCursor{NotAfter: time.Unix(1, 0)}, time.Unix(9, 0), 10)
				return err
			},
			want: []string{"SEARCH certificates USING INDEX certificates_not_after ("},
		},
		{
			name: "expiring certificates, counted", run: func(r reader) error {
				_, err := r.CountExpiringCertificates(ctx, time.Unix(1, 0), time.Unix(9, 0))
				return err
			},
			want: []string{"SEARCH certificates USING COVERING INDEX certificates_not_after (not_after>? AND not_after<?)"},
		},
		{
			name: "retired certificates", run: func(r reader) error { _, err := r.RetiredCertificates(ctx, time.Unix(9, 0), 10); return err },
			want: []string{"SEARCH certificates USING INDEX certificates_retiring (retire_at>? AND retire_at<?)"},
		},
		{
			name: "certificates in use", run: func(r reader) error {
				_, err := r.CertificatesInUse(ctx, "a", storage.SeenCursor{LastSeen: time.Unix(1, 0)}, 10)
				return err
			},
			want: []string{"SEARCH certificates USING INDEX certificates_in_use (", "SEARCH c USING PRIMARY KEY (id=?)"},
		},
		{
			name: "clients that share", run: func(r reader) error {
				_, err := r.ClientsSharing(ctx, "a", time.Unix(1, 0))
				return err
			},
			want: []string{"SEARCH clients USING COVERING INDEX clients_sharing (trust_bundle=? AND shared_at>?)"}, sorts: true,
		},
		{
			name: "an enrolment's secret", run: func(r reader) error {
				if _, err := r.EnrollmentBySecret(ctx, [32]byte{}); !errors.Is(err, storage.ErrNotFound) {
					return err
				}
				return nil
			},
			want: []string{"SEARCH enrollments USING INDEX sqlite_autoindex_enrollments_2 (secret_hash=?)"},
		},
		{
			name: "due key sets", run: func(r reader) error { _, err := r.DueKeySets(ctx, time.Unix(9, 0), 10); return err },
			want: []string{"SEARCH client_key_sets USING INDEX client_key_sets_due (due_at<?)"},
		},
		{
			name: "failing key sets", run: func(r reader) error { _, err := r.FailingKeySets(ctx, 10); return err },
			want: []string{"SCAN client_key_sets USING INDEX client_key_sets_failing"}, walks: true,
		},
		{
			name: "audit chain", run: func(r reader) error { _, err := r.AuditChain(ctx, 1, 5, 100); return err },
			want: []string{byRange, "SEARCH audit_batches"},
		},
		{
			name: "stream of an instance",
			run:  func(r reader) error { _, err := r.stream(ctx, streamOfInstance, "a"); return err },
			want: []string{"SEARCH s USING INDEX sqlite_autoindex_audit_streams_1 (instance=?)", "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"},
		},
		{
			name: "feed", run: func(r reader) error { _, err := r.FeedEntries(ctx, 5, time.Unix(9, 0), 1000); return err },
			want:  []string{"SEARCH feed_counter", "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)"},
			sorts: false,
		},
		{
			name: "feed head", run: func(r reader) error { _, err := r.FeedSeq(ctx); return err },
			want: []string{"SEARCH feed_counter USING INTEGER PRIMARY KEY"},
		},
		{
			name: "denied", run: func(r reader) error { _, err := r.Denied(ctx, storage.FeedToken, "x", time.Unix(9, 0)); return err },
			want: []string{"SEARCH feed_entries USING INDEX feed_entries_subject (kind=? AND subject=?)"},
		},
		{
			name: "denied tokens of a client",
			run:  func(r reader) error { _, err := r.TokenDenials(ctx, "c", time.Unix(9, 0), 5); return err },
			want: []string{"SEARCH feed_entries USING COVERING INDEX feed_entries_client (client_id=? AND expires_at>?)"}, walks: true, // over what was found
		},
		{
			name: "denied tokens that go",
			run: func(r reader) error {
				return r.each(ctx, dropTokenDenials, []any{"c", 5}, func(func(...any) error) error { return nil })
			},
			want: []string{"SEARCH feed_entries USING INDEX feed_entries_client (client_id=?)"},
		},
		{
			name: "certificate denied", run: func(r reader) error { _, err := r.CertificateDenied(ctx, thumbprint.Thumbprint{}); return err },
			want: []string{"SEARCH certificate_denials USING INDEX sqlite_autoindex_certificate_denials_1 (thumbprint=?)"},
		},
		{
			name: "pruning",
			run: func(r reader) error {
				return r.each(ctx, pruneExpired, []any{5}, func(func(...any) error) error { return nil })
			},
			want: []string{"SEARCH feed_entries USING COVERING INDEX feed_entries_expires (expires_at<?)"},
		},
		{
			name: "an earlier entry",
			run: func(r reader) error {
				return r.each(ctx, insertEntry, []any{99, "token", "deny", "x", nil, 1, 2, "c", 1}, func(func(...any) error) error { return nil })
			},
			want:  []string{"SEARCH feed_entries USING INDEX feed_entries_subject (kind=? AND subject=?)"},
			walks: true, // over two values
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &explaining{db: s.config.Reads}
			if err := c.run(reader{e}); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				found := false
				for _, step := range e.steps {
					found = found || strings.HasPrefix(step, want)
				}
				if !found {
					t.Errorf("no step %q in %q", want, e.steps)
				}
			}
			for _, step := range e.steps {
				if strings.HasPrefix(step, "SCAN ") && !c.walks || strings.Contains(step, "TEMP B-TREE") && !c.sorts {
					t.Errorf("the plan has the step %q", step)
				}
			}
		})
	}
}
