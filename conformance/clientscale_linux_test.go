package conformance

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestStartAmongManyClients starts `certbound serve` on a database with many clients,
// each with a certificate. It says how long that took until a connection was taken,
// and how much memory the process has then; .ci/soak has it do so among a hundred
// thousand (CERTBOUND_CLIENTS) and within CERTBOUND_START_LIMIT.
func TestStartAmongManyClients(t *testing.T) {
	t.Parallel()
	count := numberFromEnv(t, "CERTBOUND_CLIENTS", 2000)
	limit := patience
	if text := os.Getenv("CERTBOUND_START_LIMIT"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	upstream := newUpstream(t)
	s := harness.NewSite(t, upstream.URL)
	s.Seed(t, "first")
	first := s.Client(t, "first")
	started := func(clients int) {
		t.Helper()
		d := s.Dev()
		serve, _ := s.WriteConfigs(t)
		begun := time.Now()
		p := harness.StartProcess(t, d.Stderr, "serve", "--config", serve)
		waitListening(t, d, "authz")
		took := time.Since(begun)
		after := resident(t, p.PID())
		d.Token(t, &first, harness.TokenForm("first"))
		t.Logf("among %d clients: ready after %s, %d MiB resident", clients, took.Round(time.Millisecond), after>>20)
		if clients > 100 && took > limit {
			t.Errorf("the start took %s, want at most %s", took, limit)
		}
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	harness.Binary(t) // not to be built meanwhile
	started(0)        // makes the database
	file := filepath.Join(s.Dir, "site.db")
	fillClients(t, file, 0, 100)
	started(100)
	fillClients(t, file, 100, count)
	started(count)
}

// fillClients registers clients with a certificate each, as copies of the first.
func fillClients(t *testing.T, file string, from, to int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`INSERT INTO clients (id, partner_id, name, method, matcher_kind, matcher_value, matcher_canonical, trust_bundle, disabled, generation, version, created_at, updated_at)
			SELECT printf('c-%07d', i), c.partner_id, '', c.method, c.matcher_kind, printf('c-%07d.test', i), printf('c-%07d.test', i), c.trust_bundle, 0, 1, 1, 1, 1
			FROM n, clients c WHERE c.id = 'first'`,
		`INSERT INTO client_scopes (client_id, scope) SELECT printf('c-%07d', i), scope FROM n, client_scopes WHERE client_id = 'first'`,
		`INSERT INTO certificates (thumbprint, client_id, der, not_before, not_after, created_at, source, first_seen_at, last_seen_at)
			SELECT randomblob(32), printf('c-%07d', i), randomblob(600), 1, 4000000000, 1, 'seen', 1, 1 FROM n`,
		`UPDATE registration SET version = version + 1`,
	} {
		with := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", from, to-1)
		if _, err := db.ExecContext(t.Context(), with+statement); err != nil {
			t.Fatal(err)
		}
	}
}

// resident is the memory a process holds, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatal("VmRSS is not in /proc/PID/status")
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
