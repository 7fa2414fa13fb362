package conformance

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	_ "modernc.org/sqlite" // reads the file the server has written

	"github.com/certbound/certbound/conformance/internal/harness"
)

// crashRounds is how often the server is killed; .ci/soak asks for more.
func crashRounds(t *testing.T) int {
	text := os.Getenv("CERTBOUND_CRASH_ROUNDS")
	if text == "" {
		return 5
	}
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds < 1 {
		t.Fatalf("CERTBOUND_CRASH_ROUNDS is %q", text)
	}
	return rounds
}

// TestKilledServerHasRecordedEveryToken kills the server with SIGKILL while it
// issues tokens, again and again on one database. Every token a client has
// received must have its audit event, the chain must hold, and the server must
// start again by itself.
func TestKilledServerHasRecordedEveryToken(t *testing.T) {
	dir := t.TempDir()
	const seed = 7 // where in the load each kill comes; the same in every run
	dice := rand.New(rand.NewPCG(seed, seed))
	var received []string
	for range crashRounds(t) {
		received = append(received, untilKilled(t, dir, 20+dice.IntN(100))...)
	}
	d := harness.StartIn(t, dir)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	recorded := recordedTokens(t, filepath.Join(dir, "certbound.db"))
	missing := 0
	for _, id := range received {
		if !recorded[id] {
			missing++
		}
	}
	t.Logf("%d tokens received, %d recorded", len(received), len(recorded))
	if missing > 0 || len(received) == 0 {
		t.Errorf("%d of %d received tokens have no audit event", missing, len(received))
	}
	result := harness.Run(t, "audit", "verify", "--config", auditConfig(t, dir))
	if result.Code != 0 {
		t.Errorf("audit verify: exit code %d\n%s%s", result.Code, result.Stdout, result.Stderr)
	}
}

// untilKilled has several clients get tokens, kills the server once so many have
// come, and returns the jti of every token that arrived whole.
func untilKilled(t *testing.T, dir string, tokens int) []string {
	d := harness.StartIn(t, dir)
	pair := d.Pair(t, "acme-billing")
	request := d.TokenRequest(&pair, harness.TokenForm("acme-billing").Encode())
	var mu sync.Mutex
	var received []string
	enough := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		own := request
		own.Client = d.HTTPClient(t, &pair, nil)
		clients.Go(func() {
			for {
				response, err := d.Try(t, own)
				if err != nil {
					return // killed
				}
				var answer struct {
					AccessToken string `json:"access_token"`
				}
				if err := json.Unmarshal(response.Body, &answer); err != nil || answer.AccessToken == "" {
					t.Errorf("%d %s", response.Status, response.Body)
					return
				}
				mu.Lock()
				received = append(received, answer.AccessToken)
				if len(received) == tokens {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	for i, token := range received {
		_, claims := issued(t, token)
		received[i], _ = claims["jti"].(string)
	}
	return received
}

// recordedTokens reads the jtis of the audit events from the database file.
func recordedTokens(t *testing.T, file string) map[string]bool {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT token_id FROM audit_events WHERE kind = 'token.issued'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	recorded := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		recorded[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return recorded
}

// auditConfig is a serve configuration for what dev has made in a directory.
func auditConfig(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "serve.yaml")
	text := fmt.Sprintf(`version: 1
issuer: https://localhost:8443
tls: {certificate: %[1]s/pki/server.pem, key: %[1]s/pki/server.key}
database: {path: %[1]s/certbound.db}
keys: {active: dev, keks: [{id: dev, file: %[1]s/kek}]}
`, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
