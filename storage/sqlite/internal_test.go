package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettings reads back, on every connection of both pools, what durability
// and integrity rest on.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certbound.db")
	o := Options{}.withDefaults()
	for name, c := range map[string]struct {
		extra       string
		connections int
		queryOnly   string
	}{
		"writer":  {"_txlock=immediate", 1, "0"},
		"readers": {"_pragma=query_only(1)", 4, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := openHandle(t.Context(), path, o, c.connections, c.extra)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for range c.connections {
				conn, err := db.Conn(t.Context()) // kept, so that each round gets another one
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for pragma, want := range map[string]string{
					"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "5000", "query_only": c.queryOnly,
				} {
					var got string
					if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
						t.Errorf("%s is %q (error %v), want %q", pragma, got, err, want)
					}
				}
			}
		})
	}
}

func TestVerifySettings(t *testing.T) {
	for _, c := range []struct{ pragmas, want string }{
		{"_pragma=synchronous(FULL)&_pragma=foreign_keys(1)", `journal_mode is "delete", not "wal": the file system must support shared memory; network file systems do not`},
		{"_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)", `synchronous is "1", not "2": a commit would not survive a loss of power`},
		{"_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)", `foreign_keys is "0", not "1": references would not be checked`},
	} {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db")+"?"+c.pragmas)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifySettings(t.Context(), db); err == nil || err.Error() != c.want {
			t.Errorf("%s: got error %v, want %s", c.pragmas, err, c.want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPlans: the reads of a token request use indexes only.
func TestPlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certbound.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, query := range map[string]string{
		"client": `SELECT c.name, (SELECT string_agg(s.scope, ' ') FROM client_scopes s WHERE s.client_id = c.id)
			FROM clients c JOIN partners p ON p.id = c.partner_id WHERE c.id = 'x'`,
		"certificates":       `SELECT der FROM certificates WHERE client_id = 'x' ORDER BY created_at, not_before, thumbprint`,
		"API by audience":    `SELECT id FROM apis WHERE audience = 'x'`,
		"APIs by scope":      `SELECT a.id FROM apis a WHERE a.id IN (SELECT api_id FROM api_scopes WHERE scope IN ('x', 'y')) ORDER BY a.id`,
		"clients by bundle":  `SELECT id FROM clients WHERE trust_bundle = 'x'`,
		"clients by partner": `SELECT id FROM clients WHERE partner_id = 'x' AND id > 'y' ORDER BY id LIMIT 100`,
		"audit by term": `SELECT seqs FROM audit_postings WHERE term = 'x' AND time >= 1 AND (time, stream_id, seq) < (9, 1, 5)
			ORDER BY time DESC, stream_id DESC, seq DESC LIMIT 100`,
		"audit batch":      `SELECT body FROM audit_batches WHERE id <= 5 ORDER BY id DESC LIMIT 1`,
		"feed":             `SELECT seq FROM feed_entries WHERE seq > 5 ORDER BY seq`,
		"feed subject":     `SELECT seq FROM feed_entries WHERE kind = 'token' AND subject = 'x' ORDER BY seq DESC LIMIT 1`,
		"feed pruning":     `DELETE FROM feed_entries WHERE expires_at < 5`,
		"idempotency":      `SELECT response FROM idempotency_keys WHERE client_id = 'x' AND key = 'y'`,
		"RS of APIs":       `SELECT api_id FROM api_resource_servers WHERE client_id = 'x'`,
		"holders of scope": `SELECT client_id FROM client_scopes WHERE scope = 'x'`,
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					t.Fatal(err)
				}
				sorts := strings.Contains(step, "TEMP B-TREE") && name != "certificates" // a client has a handful
				if strings.HasPrefix(step, "SCAN ") || sorts {
					t.Errorf("the plan has the step %q", step)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// FuzzCheckHeader: whatever the file starts with, the answer is an answer.
func FuzzCheckHeader(f *testing.F) {
	f.Add([]byte(magic), int64(len(magic)))
	f.Add(append([]byte(magic), make([]byte, 84)...), int64(4096))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, header []byte, size int64) {
		if len(header) > headerSize {
			header = header[:headerSize]
		}
		err := checkHeader(header, size)
		if err == nil && !strings.HasPrefix(string(header), magic) {
			t.Errorf("%q was taken for a database", header)
		}
	})
}
