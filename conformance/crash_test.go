package conformance

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads the file the server has written

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// numberFromEnv reads a positive number that .ci/soak sets.
func numberFromEnv(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q", name, text)
	}
	return n
}

// TestKilledServerKeepsItsPromises kills the server with SIGKILL while it issues
// and revokes tokens and an administrator disables and enables a client, again and
// again on one database. Every token a client has received must have its audit
// event, everything that was acknowledged must hold, the chain must be whole, and
// the server must start again by itself.
func TestKilledServerKeepsItsPromises(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-7", "CERTBOUND-8", "CERTBOUND-9")
	// Where in the load each kill comes: the same in every run with the same seed.
	seed := uint64(numberFromEnv(t, "CERTBOUND_CRASH_SEED", 7))
	dice := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	// The same names in every round: a token is for one issuer and one audience.
	ports := []string{"--authz-addr", "127.0.0.1:" + harness.FreePort(t), "--proxy-addr", "127.0.0.1:" + harness.FreePort(t)}
	s := &switched{}
	var received, revoked []string
	for range numberFromEnv(t, "CERTBOUND_CRASH_ROUNDS", 5) {
		d := startAgain(t, dir, len(received) > 0, ports)
		s.expectHeld(t, d)
		got, ended := untilKilled(t, d, s, 20+dice.IntN(100))
		received, revoked = append(received, got...), append(revoked, ended...)
	}
	d := startAgain(t, dir, true, ports)
	s.expectHeld(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	expectWhole(t, d, received, revoked)
	t.Logf("%d changes of the client acknowledged, %d of them after a crash", s.acknowledged, s.held)
	if len(revoked) == 0 || s.held == 0 {
		t.Error("nothing was revoked, or no change of the client was the last thing before a crash: the load is too light")
	}
}

// startAgain starts the server, and says how long that took when it had been
// killed. Only where CERTBOUND_START_LIMIT asks for it, too long is a failure.
func startAgain(t *testing.T, dir string, killed bool, args []string) *harness.Dev {
	t.Helper()
	begin := time.Now()
	d := harness.StartIn(t, dir, args...)
	took := time.Since(begin)
	if !killed {
		return d // it has made its keys and its database
	}
	t.Logf("start after a crash: %s", took.Round(time.Millisecond))
	if text := os.Getenv("CERTBOUND_START_LIMIT"); text != "" {
		limit, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("CERTBOUND_START_LIMIT: %v", err)
		}
		if took > limit {
			t.Errorf("the start took %s, more than %s", took, limit)
		}
	}
	return d
}

// expectWhole reads the files of a server, running or not: every token that was
// received has its audit event, every revocation that was acknowledged is there,
// and the chain is whole.
func expectWhole(t *testing.T, d *harness.Dev, received, revoked []string) {
	t.Helper()
	file := filepath.Join(d.Dir, "certbound.db")
	recorded := column(t, file, "SELECT e.value ->> 'jti' FROM audit_batches, json_each(body) AS e WHERE e.value ->> 'kind' = 'token.issued'")
	denied := column(t, file, "SELECT subject FROM feed_entries WHERE kind = 'token' AND action = 'deny'")
	t.Logf("%d tokens received, %d recorded; %d revoked, %d denied", len(received), len(recorded), len(revoked), len(denied))
	if missing := absent(received, recorded); missing > 0 || len(received) == 0 {
		t.Errorf("%d of %d received tokens have no audit event", missing, len(received))
	}
	if missing := absent(revoked, denied); missing > 0 {
		t.Errorf("%d of %d acknowledged revocations are lost", missing, len(revoked))
	}
	result := harness.Run(t, "audit", "verify", "--config", auditConfig(t, d.Dir))
	if result.Code != 0 {
		t.Errorf("audit verify: exit code %d\n%s%s", result.Code, result.Stdout, result.Stderr)
	}
}

// absent counts the ids that the database does not have.
func absent(ids []string, stored map[string]bool) (missing int) {
	for _, id := range ids {
		if !stored[id] {
			missing++
		}
	}
	return missing
}

// load is what clients were told before the server was killed.
type load struct {
	mu                sync.Mutex
	received, revoked []string // jti
	enough            chan struct{}
	wanted            int
}

func (l *load) note(list *[]string, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, id)
	if list == &l.received && len(l.received) == l.wanted {
		close(l.enough)
	}
}

// untilKilled has several clients get tokens and revoke some of them, and an
// administrator change another client; it kills the server once so many tokens have
// come, and returns what arrived whole.
func untilKilled(t *testing.T, d *harness.Dev, s *switched, tokens int) (received, revoked []string) {
	t.Helper()
	pair := d.Pair(t, "acme-billing")
	l := &load{enough: make(chan struct{}), wanted: tokens}
	var clients sync.WaitGroup
	for range 8 {
		client := d.HTTPClient(t, &pair, nil)
		clients.Go(func() {
			for round := 0; l.step(t, d, client, round%3 == 0); round++ {
			}
		})
	}
	administrator, mallory := d.Pair(t, d.AdminClient.ClientID), d.Pair(t, "mallory-app")
	token := d.Token(t, &administrator, harness.TokenForm("admin", "resource", d.Issuer+"/admin")).AccessToken
	asAdmin, asMallory := d.HTTPClient(t, &administrator, nil), d.HTTPClient(t, &mallory, nil)
	clients.Go(func() {
		for s.step(t, d, asAdmin, asMallory, token) {
		}
	})
	<-l.enough
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	return l.received, l.revoked
}

// step gets one token and perhaps revokes it. It is false when the server is gone.
func (l *load) step(t *testing.T, d *harness.Dev, client *http.Client, revoke bool) bool {
	request := d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode())
	request.Client = client
	response, err := d.Try(t, request)
	if err != nil {
		return false
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil || answer.AccessToken == "" {
		t.Errorf("%d %s", response.Status, response.Body)
		return false
	}
	_, claims := issued(t, answer.AccessToken)
	id, _ := claims["jti"].(string)
	l.note(&l.received, id)
	if !revoke {
		return true
	}
	request = revocation(d, "acme-billing", answer.AccessToken)
	request.Client = client
	if response, err = d.Try(t, request); err != nil {
		return false
	}
	if response.Status == http.StatusOK {
		l.note(&l.revoked, id)
	}
	return true
}

// column reads one column of text from the database file.
func column(t *testing.T, file, query string) map[string]bool {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	values := map[string]bool{}
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values[value] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// auditConfig is a serve configuration for what dev has made in a directory.
func auditConfig(t *testing.T, dir string) string {
	t.Helper()
	return auditConfigOf(t, dir, filepath.Join(dir, "certbound.db"))
}

// auditConfigOf is the same with another database.
func auditConfigOf(t *testing.T, dir, database string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "serve.yaml")
	text := fmt.Sprintf(`version: 1
issuer: https://localhost:8443
tls: {certificate: %[1]s/pki/server.pem, key: %[1]s/pki/server.key}
database: {path: %[2]q}
keys: {active: dev, keks: [{id: dev, file: %[1]s/kek}]}
`, dir, database)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
