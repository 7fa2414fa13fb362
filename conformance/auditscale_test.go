package conformance

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// What the trail is filled with: a year of events, spread over clients.
const (
	scaleClients = 200
	scaleBegin   = 1_730_000_000
)

// TestAuditListAmongMany asks what `certbound audit list` asks, of a trail with many
// events. Its answers must be right; how long they take it only says. .ci/soak has
// it ask among ten million (CERTBOUND_AUDIT_EVENTS), which take about 5 GB.
func TestAuditListAmongMany(t *testing.T) {
	t.Parallel()
	events := numberFromEnv(t, "CERTBOUND_AUDIT_EVENTS", 4_000)
	questions := 20
	if events > 1_000_000 {
		questions = 200 // of each kind, for a p99 that says something
	}
	dir := t.TempDir()
	d := harness.StartIn(t, dir) // makes the database
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	fillAudit(t, filepath.Join(dir, "certbound.db"), events)
	t.Logf("%d events written in %s", events, time.Since(begin).Round(time.Second))
	d = harness.StartIn(t, dir)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	administrator := d.Pair(t, d.AdminClient.ClientID)
	client := d.HTTPClient(t, &administrator, nil)
	token := d.Token(t, &administrator, harness.TokenForm("admin", "resource", d.Issuer+"/admin")).AccessToken
	ask := func(query url.Values) []scaleEvent { return listEvents(t, d, client, token, query) }
	for _, q := range []struct {
		name string
		of   func(i int) url.Values
		want func(scaleEvent, url.Values) bool
	}{
		{"client", func(i int) url.Values { return url.Values{"client": {fmt.Sprintf("client-%d", i%scaleClients)}} },
			func(e scaleEvent, q url.Values) bool { return e.Client == q.Get("client") }},
		{"reason", func(i int) url.Values {
			return url.Values{"reason": {[]string{"subject_mismatch", "certificate_expired"}[i%2]}}
		},
			func(e scaleEvent, q url.Values) bool { return e.Reason == q.Get("reason") }},
		{"request_id", func(i int) url.Values {
			some := ask(url.Values{"client": {fmt.Sprintf("client-%d", i%scaleClients)}, "limit": {"1"}})
			return url.Values{"request_id": {some[0].RequestID}}
		}, func(e scaleEvent, q url.Values) bool { return e.RequestID == q.Get("request_id") }},
		{"client and thumbprint", func(i int) url.Values {
			some := ask(url.Values{"client": {fmt.Sprintf("client-%d", i%scaleClients)}, "limit": {"1"}})
			return url.Values{"client": {some[0].Client}, "thumbprint": {some[0].Thumbprint}}
		}, func(e scaleEvent, q url.Values) bool { return e.Thumbprint == q.Get("thumbprint") }},
		{"client and reason", func(i int) url.Values {
			return url.Values{"client": {fmt.Sprintf("client-%d", i%scaleClients)}, "reason": {"subject_mismatch"}}
		}, func(e scaleEvent, q url.Values) bool {
			return e.Client == q.Get("client") && e.Reason == q.Get("reason")
		}},
		{"thumbprint in an hour", func(i int) url.Values {
			some := ask(url.Values{"client": {fmt.Sprintf("client-%d", i%scaleClients)}, "limit": {"1"}})
			return url.Values{"thumbprint": {some[0].Thumbprint},
				"since": {some[0].Time.Add(-time.Hour).Format(time.RFC3339)}, "until": {some[0].Time.Add(time.Second).Format(time.RFC3339)}}
		}, func(e scaleEvent, q url.Values) bool { return e.Thumbprint == q.Get("thumbprint") }},
	} {
		t.Run(q.name, func(t *testing.T) {
			var took []time.Duration
			for i := range questions {
				query := q.of(i)
				begin := time.Now()
				found := ask(query)
				took = append(took, time.Since(begin))
				if len(found) == 0 && q.name != "client and reason" {
					t.Fatalf("nothing found for %v", query)
				}
				for _, e := range found {
					if !q.want(e, query) {
						t.Fatalf("%v gave %+v", query, e)
					}
				}
			}
			slices.Sort(took)
			t.Logf("%d events, by %s: p50 %s, p99 %s", events, q.name,
				took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(10*time.Microsecond))
		})
	}
}

// scaleEvent is what of an event the test looks at.
type scaleEvent struct {
	Time       time.Time `json:"time"`
	Client     string    `json:"client"`
	Reason     string    `json:"reason"`
	RequestID  string    `json:"request_id"`
	Thumbprint string    `json:"x5t#S256"`
}

func listEvents(t *testing.T, d *harness.Dev, client *http.Client, token string, query url.Values) []scaleEvent {
	t.Helper()
	response := d.Send(t, harness.Request{
		Method: http.MethodGet, URL: d.Admin + "/admin/v1/audit-events?" + query.Encode(), Client: client,
		Header: http.Header{"Authorization": {"Bearer " + token}},
	})
	var page struct{ Events []scaleEvent }
	if err := json.Unmarshal(response.Body, &page); err != nil || response.Status != http.StatusOK {
		t.Fatalf("%v: %s", query, response)
	}
	return page.Events
}

// fillAudit writes events of another instance straight into the file, as many as
// a year brings, each like that of an issued token; one in a thousand is a refusal.
// They are not chained: nothing here verifies.
func fillAudit(t *testing.T, file string, events int) {
	t.Helper()
	const atOnce = 200_000
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO audit_streams (id, instance, indexed_seq, created_at) VALUES (99, 'filler', $1, 1)`, events)
	detail := `{"audience":"https://api.example","decided_in_us":400,"remote_addr":"192.0.2.1:40000","scopes_held":["accounts:read"]` +
		strings.Repeat(" ", 40) + `}`
	exec(`CREATE TEMP TABLE e (i INTEGER PRIMARY KEY, time, client, reason, kind, request, x5t)`)
	for first := 1; first <= events; first += atOnce {
		last := min(first+atOnce-1, events)
		exec(`DELETE FROM e`)
		exec(`WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2),
			c AS (SELECT i, $3 + i * 31536000 / $4 AS time, (i * 7919) % $5 AS client, i % 1000 = 0 AS refused FROM n)
			INSERT INTO e SELECT i, time, client, iif(refused, iif(i % 2000 = 0, 'subject_mismatch', 'certificate_expired'), NULL),
				iif(refused, 'token.refused', 'token.issued'), printf('%012x', time * 1000 + i % 1000) || lower(hex(randomblob(10))),
				printf('x%03d%038dA', client, 0) FROM c`, first, last, scaleBegin, events, scaleClients)
		exec(`INSERT INTO audit_batches (id, last_seq, prev, hash, body)
			SELECT 99 << 40 | min(i), max(i), randomblob(32), randomblob(32), '[' || group_concat(
				'{"seq":' || i || ',"time":' || time || ',"kind":"' || kind || '"' || coalesce(',"reason":"' || reason || '"', '') ||
				',"partner":"partner-' || (client / 10) || '","client":"client-' || client || '","jti":"' || lower(hex(randomblob(14))) ||
				'","request_id":"' || request || '","x5t#S256":"' || x5t || '","detail":' || $1 || ',"hash":"' || printf('%042dA', i) || '"}',
				char(44, 10) ORDER BY i) || ']'
			FROM e GROUP BY i / 8`, detail)
		for _, term := range []string{
			"'all' FROM e ORDER BY i", "'client client-' || client FROM e ORDER BY 5, i",
			"'x5t ' || substr(x5t, 1, 16) FROM e ORDER BY 5, i", "'request ' || substr(request, 1, 12) FROM e ORDER BY i",
			"'kind ' || kind FROM e WHERE reason IS NOT NULL", "'reason ' || reason FROM e WHERE reason IS NOT NULL",
			"'refused client-' || client || ' ' || reason FROM e WHERE reason IS NOT NULL",
		} {
			exec("INSERT INTO audit_postings (time, stream_id, seq, seqs, term) SELECT time, 99, i, '0', " + term)
		}
	}
}
