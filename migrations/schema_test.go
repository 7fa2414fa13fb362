package migrations

import (
	"database/sql"
	"strings"
	"testing"
)

// ready returns a database of the latest schema with a partner, a client and an
// audit stream in it, and references checked as in operation.
func ready(t *testing.T) *sql.DB {
	t.Helper()
	path := newFile(t)
	up(t, handle(t, path))
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, db, `INSERT INTO partners VALUES ('acme', 'Acme', 0, 1, 1, 1, NULL, NULL)`)
	exec(t, db, `INSERT INTO clients VALUES ('edge', 'acme', '', 'self_signed_tls_client_auth', NULL, NULL, NULL, NULL, 0, 1, 1, 1, 1, NULL, 0, NULL)`)
	exec(t, db, `INSERT INTO audit_streams (id, instance, created_at) VALUES (1, 'a', 1)`)
	return db
}

// TestGuards: the invariants of the design that the schema itself keeps, whoever
// writes. (The queries are held to theirs by storagetest.)
func TestGuards(t *testing.T) {
	const batch = `INSERT INTO audit_batches (id, last_seq, prev, hash, body) VALUES `
	for _, c := range []struct{ name, statement, want string }{
		{"feed: a second counter", `INSERT INTO feed_counter VALUES (2, 0)`, "CHECK"},
		{"feed: no counter is missing", `INSERT INTO feed_counter VALUES (1, 0)`, "UNIQUE"},
		{"feed: a client is not lifted", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'client', 'lift', 'x', 1, 1, 2)`, "CHECK"},
		{"feed: generation 0", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'client', 'deny', 'x', 0, 1, 2)`, "CHECK"},
		{"denials: short thumbprint", `INSERT INTO certificate_denials VALUES (zeroblob(31), NULL, '', 1, NULL, NULL)`, "CHECK"},
		{"denials: no such client", `INSERT INTO certificate_denials VALUES (zeroblob(32), 'nobody', '', 1, NULL, NULL)`, "FOREIGN KEY"},
		{"denials: twice", `INSERT INTO certificate_denials VALUES (zeroblob(32), NULL, '', 1, NULL, NULL), (zeroblob(32), NULL, '', 2, 3, 4)`, "UNIQUE"},
		{"feed: unknown kind", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'partner', 'deny', 'x', NULL, 1, 2)`, "CHECK"},
		{"feed: client without generation", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'client', 'deny', 'edge', NULL, 1, 2)`, "CHECK"},
		{"feed: token with generation", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'token', 'deny', 'x', 3, 1, 2)`, "CHECK"},
		{"feed: entry without end", `INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'token', 'deny', 'x', NULL, 1, NULL)`, "NOT NULL"},
		{"audit: seq 0", batch + `(1 << 40, 1, zeroblob(32), zeroblob(32), '[]')`, "CHECK"},
		{"audit: stream 0", batch + `(1, 1, zeroblob(32), zeroblob(32), '[]')`, "CHECK"},
		{"audit: the end before the beginning", batch + `((1 << 40) + 5, 4, zeroblob(32), zeroblob(32), '[]')`, "CHECK"},
		{"audit: short hash", batch + `((1 << 40) + 1, 1, zeroblob(32), zeroblob(31), '[]')`, "CHECK"},
		{"audit: short prev", batch + `((1 << 40) + 1, 1, zeroblob(0), zeroblob(32), '[]')`, "CHECK"},
		{"audit: twice", batch + `((1 << 40) + 1, 1, zeroblob(32), zeroblob(32), '[]'), ((1 << 40) + 1, 1, zeroblob(32), zeroblob(32), '[]')`, "UNIQUE"},
		{"audit: body as bytes", batch + `((1 << 40) + 1, 1, zeroblob(32), zeroblob(32), x'5b5d')`, "TEXT"},
		{"audit: posted twice", `INSERT INTO audit_postings VALUES ('all', 1, 1, 1, '0'), ('all', 1, 1, 1, '0-3')`, "UNIQUE"},
		{"audit: indexed and pruned", `UPDATE audit_streams SET indexed_seq = 4, pruned_seq = 5`, "CHECK"},
		{"bundles: unknown status", `INSERT INTO trust_bundle_versions VALUES ('b', 1, 'agreed', 'h', 'pem', '', '', 0, 0, 1, NULL)`, "CHECK"},
		{"proposals: approved by its proposer", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 0, '', '', 'root', 1, 2, 'approved', 'root', 1, '', 1)`, "trust_proposals_two_people"},
		{"proposals: withdrawn by another", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 0, '', '', 'root', 1, 2, 'withdrawn', 'deputy', 1, '', 0)`, "trust_proposals_own"},
		{"proposals: approved by nobody", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 0, '', '', 'root', 1, 2, 'approved', '', 1, '', 1)`, "CHECK"},
		{"proposals: open and applied", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 0, '', '', 'root', 1, 2, 'open', '', NULL, '', 1)`, "CHECK"},
		{"proposals: a new bundle against a version", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 3, 'active', '', 'root', 1, 2, 'open', '', NULL, '', 0)`, "CHECK"},
		{"proposals: without an end", `INSERT INTO trust_proposals VALUES ('i', 'create', 'b', 'h', 'pem', '', '', 0, 0, 0, '', '', 'root', 1, NULL, 'open', '', NULL, '', 0)`, "NOT NULL"},
		{"audit: a second stream of an instance", `INSERT INTO audit_streams (instance, created_at) VALUES ('a', 1)`, "UNIQUE"},
		{"audit: pruned beyond the head", `UPDATE audit_streams SET pruned_seq = 1`, "CHECK"},
		{"idempotency: no such client", `INSERT INTO idempotency_keys VALUES ('nobody', 'k', zeroblob(32), 201, zeroblob(0), 1, 2)`, "FOREIGN KEY"},
		{"idempotency: empty key", `INSERT INTO idempotency_keys VALUES ('edge', '', zeroblob(32), 201, zeroblob(0), 1, 2)`, "CHECK"},
		{"clients: generation 0", `UPDATE clients SET generation = 0`, "CHECK"},
		{"clients: a key set beside a trust bundle", `UPDATE clients SET jwks_uri = 'https://a.example', method = 'tls_client_auth'`, "CHECK"},
		{"key sets: no such client", `INSERT INTO client_key_sets VALUES ('nobody', 'https://a.example', 0, NULL, NULL, 0, '')`, "FOREIGN KEY"},
		{"key sets: failures below zero", `INSERT INTO client_key_sets VALUES ('edge', 'https://a.example', 0, NULL, NULL, -1, '')`, "CHECK"},
		{"partners: deleted under a client", `DELETE FROM partners`, "FOREIGN KEY"},
		{"meta: twice", `INSERT INTO meta VALUES ('first_admin', 'a', 1), ('first_admin', 'b', 1)`, "UNIQUE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ready(t).Exec(c.statement)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one about %s", err, c.want)
			}
		})
	}
}

// TestStandby: the tables take what they are meant for; no Go code writes some of
// them yet.
func TestStandby(t *testing.T) {
	db := ready(t)
	var seq int64
	if err := db.QueryRow(`UPDATE feed_counter SET seq = seq + 1 WHERE id = 1 RETURNING seq`).Scan(&seq); err != nil || seq != 1 {
		t.Fatalf("seq %d, error %v", seq, err)
	}
	for _, statement := range []string{
		`INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at) VALUES (1, 'client', 'deny', 'edge', 2, 1, 99), (2, 'certificate', 'deny', 'x5t', NULL, 1, 99), (3, 'certificate', 'lift', 'x5t', NULL, 2, 99)`,
		`INSERT INTO audit_batches (id, last_seq, prev, hash, body) VALUES ((1 << 40) + 1, 2, zeroblob(32), randomblob(32), '[{},{}]'), ((1 << 40) + 3, 3, zeroblob(32), randomblob(32), '[{}]')`,
		`INSERT INTO audit_postings VALUES ('client edge', 1, 1, 1, '0-1'), ('client edge', 1, 1, 3, '0')`,
		`INSERT INTO trust_bundles VALUES ('partners', 4)`,
		`INSERT INTO trust_bundle_versions VALUES ('partners', 1, 'retired', 'h', 'pem', '', '', 0, 0, 1, NULL), ('partners', 2, 'active', 'h', 'pem', '', '', 0, 0, 1, NULL)`,
		`UPDATE audit_streams SET indexed_seq = 3, pruned_seq = 1, pruned_hash = zeroblob(32) WHERE id = 1`,
		`INSERT INTO audit_checkpoints VALUES (1, 'kid', 'a.b.c', 1)`,
		`INSERT INTO audit_prunings VALUES (1, 'kid', 'a.b.c', 1)`,
		`INSERT INTO audit_checkpoint_heads VALUES (1, 1, 2, zeroblob(32))`,
		`INSERT INTO idempotency_keys VALUES ('edge', 'k', zeroblob(32), 201, x'7b7d', 1, 2)`,
		`INSERT INTO meta VALUES ('first_admin', 'edge', 1)`,
	} {
		exec(t, db, statement)
	}
}
