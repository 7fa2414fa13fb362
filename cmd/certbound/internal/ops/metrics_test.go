package ops_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/cmd/certbound/internal/reload"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// server is an authorization server of which only the numbers are there.
type server struct {
	err   error
	asked int
}

func (*server) AuditStats() audit.Stats {
	return audit.Stats{Committed: 7, Batches: 3, Dropped: 2, Failed: 1, Queued: 5}
}
func (*server) FeedWaiting() int { return 4 }
func (*server) TrustAnchors() map[string]time.Time {
	return map[string]time.Time{"partners": start}
}
func (s *server) Stored(ctx context.Context) (authz.Stored, error) {
	s.asked++
	if _, bounded := ctx.Deadline(); !bounded {
		return authz.Stored{}, errors.New("without a deadline")
	}
	return authz.Stored{FeedSeq: 9, SigningKeys: []authz.KeyCount{
		{Purpose: "access_token", State: "active", Count: 1, Since: start},
		{Purpose: "access_token", State: "retired", Count: 2, Since: start},
	}}, s.err
}

// follower is a revocation feed of which only the numbers are there.
type follower struct{ err error }

func (follower) Age() time.Duration { return 1500 * time.Millisecond }
func (follower) Seq() int64         { return 8 }
func (follower) Entries() int       { return 6 }
func (f follower) Ready() error     { return f.err }

type issuerKeys struct{ status jwks.Status }

func (k issuerKeys) Status() jwks.Status { return k.status }

type reloads reload.Stats

func (r reloads) Stats() reload.Stats { return reload.Stats(r) }

// full is a process that shows everything.
func full() (*ops.Metrics, *server) {
	m, s := ops.NewMetrics("v1.2.3", "go1.26"), new(server)
	m.ShowAuthz(s)
	m.ShowProxy(func() ops.Proxy {
		return ops.Proxy{
			Keys:        issuerKeys{jwks.Status{Fetched: start.Add(-time.Minute), Fetches: 3, Failures: 1}},
			Revocations: follower{}, ClientNotAfter: start.Add(time.Hour), Clock: func() time.Time { return start },
		}
	})
	m.ShowReloads(reloads{LastSuccess: start, OK: true, Succeeded: 2, Failed: 1})
	m.Watch("authz", listener())
	m.ObserveCommit(3, 4*time.Millisecond, nil)
	m.ObserveCommit(1, 10*time.Second, errors.New("disk full"))
	m.Observe(&decision.Decision{Journey: decision.TokenRequest, Allowed: true, Elapsed: 3 * time.Millisecond})
	m.Observe(&decision.Decision{Journey: decision.TokenRequest, Reason: decision.CertificateMissing})
	m.Observe(&decision.Decision{Journey: decision.FeedRequest, Allowed: true, Elapsed: 25 * time.Second})
	return m, s
}

// listener is a server with a certificate.
func listener() *http.Server {
	return &http.Server{
		Handler: http.NotFoundHandler(),
		TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Leaf: &x509.Certificate{NotAfter: start}}, nil
		}},
	}
}

// scrape returns the text and what it says.
func scrape(t *testing.T, m *ops.Metrics) (string, map[string]*dto.MetricFamily) {
	t.Helper()
	rec := httptest.NewRecorder()
	ops.Handler(m).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	text := rec.Body.String()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return text, families
}

func TestMetricsShowWhatTheyAreGiven(t *testing.T) {
	m, _ := full()
	text, _ := scrape(t, m)
	for _, want := range []string{
		`certbound_build_info{go="go1.26",version="v1.2.3"} 1`,
		`certbound_decisions_total{journey="token_request",outcome="allow",reason=""} 1`,
		`certbound_decisions_total{journey="token_request",outcome="refuse",reason="certificate_missing"} 1`,
		`certbound_decisions_total{journey="api_request",outcome="allow",reason=""} 0`,
		`certbound_decision_duration_seconds_bucket{journey="token_request",outcome="allow",le="0.0025"} 0`,
		`certbound_decision_duration_seconds_bucket{journey="token_request",outcome="allow",le="0.005"} 1`,
		`certbound_audit_batch_events_sum 3`,
		`certbound_audit_batch_events_count 1`,
		`certbound_audit_commit_duration_seconds_count{outcome="success"} 1`,
		`certbound_audit_commit_duration_seconds_count{outcome="failure"} 1`,
		`certbound_audit_events_stored_total 7`,
		`certbound_audit_events_dropped_total 2`,
		`certbound_audit_unavailable_total 1`,
		`certbound_audit_queue_length 5`,
		`certbound_feed_seq 9`,
		`certbound_feed_waiting_followers 4`,
		`certbound_database_up 1`,
		`certbound_signing_keys{purpose="access_token",state="retired"} 2`,
		fmt.Sprintf(`certbound_signing_key_active_since_timestamp_seconds{purpose="access_token"} %g`, float64(start.Unix())),
		fmt.Sprintf(`certbound_trust_anchor_not_after_timestamp_seconds{bundle="partners"} %g`, float64(start.Unix())),
		fmt.Sprintf(`certbound_certificate_not_after_timestamp_seconds{certificate="authz"} %g`, float64(start.Unix())),
		fmt.Sprintf(`certbound_certificate_not_after_timestamp_seconds{certificate="revocations_client"} %g`, float64(start.Add(time.Hour).Unix())),
		`certbound_revocations_age_seconds 1.5`,
		`certbound_revocations_seq 8`,
		`certbound_revocations_entries 6`,
		`certbound_revocations_stale 0`,
		`certbound_issuer_keys_age_seconds 60`,
		`certbound_issuer_keys_fetches_total 3`,
		`certbound_issuer_keys_fetch_failures_total 1`,
		`certbound_config_reloads_total{outcome="failure"} 1`,
		`certbound_config_last_reload_successful 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
	if strings.Contains(text, `certbound_decision_duration_seconds_count{journey="feed_request"`) {
		t.Error("a long poll is measured as if it were work")
	}
}

func TestMetricsLint(t *testing.T) {
	m, _ := full()
	text, _ := scrape(t, m)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

var documented = regexp.MustCompile("(?m)^\\| `(certbound_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\|")

// TestPageAndMetricsAgree compares docs/metrics.md with a process that shows
// everything: names, types and labels.
func TestPageAndMetricsAgree(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	stated := map[string]string{}
	for _, row := range documented.FindAllStringSubmatch(string(page), -1) {
		labels := strings.Fields(strings.ReplaceAll(row[3], "`", ""))
		slices.Sort(labels)
		stated[row[1]] = row[2] + " " + strings.Join(labels, " ")
	}
	m, _ := full()
	_, families := scrape(t, m)
	shown := map[string]string{}
	for name, family := range families {
		if !strings.HasPrefix(name, "certbound_") {
			continue
		}
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		slices.Sort(labels)
		shown[name] = strings.ToLower(family.GetType().String()) + " " + strings.Join(labels, " ")
	}
	if diff := cmp.Diff(shown, stated); diff != "" {
		t.Errorf("docs/metrics.md (+) and /metrics (-) differ:\n%s", diff)
	}
	for _, name := range regexp.MustCompile(`certbound_[a-z_]+`).FindAllString(string(page), -1) {
		if _, known := shown[strings.TrimSuffix(name, "_bucket")]; !known && name != "certbound_" {
			t.Errorf("the page speaks of %s, which does not exist", name)
		}
	}
}

func TestMetricsWithoutADatabase(t *testing.T) {
	m, s := full()
	s.err = errors.New("disk full")
	for range 3 {
		text, families := scrape(t, m)
		if !strings.Contains(text, "certbound_database_up 0\n") || families["certbound_feed_seq"] != nil || families["certbound_signing_keys"] != nil {
			t.Errorf("a database that is away is shown as\n%s", text)
		}
		if !strings.Contains(text, "certbound_audit_queue_length 5\n") {
			t.Error("it hides what does not come from it")
		}
	}
	if s.asked != 1 {
		t.Errorf("three scrapes asked the database %d times", s.asked)
	}
}

func TestMetricsOfAProxyThatFollowsNothing(t *testing.T) {
	m := ops.NewMetrics("v0", "go0")
	m.ShowProxy(func() ops.Proxy { return ops.Proxy{Keys: issuerKeys{}, Clock: time.Now} })
	_, families := scrape(t, m)
	for _, name := range []string{
		"certbound_revocations_stale", "certbound_revocations_age_seconds", "certbound_issuer_keys_age_seconds",
		"certbound_certificate_not_after_timestamp_seconds", "certbound_audit_queue_length", "certbound_database_up",
	} {
		if families[name] != nil {
			t.Errorf("%s is shown as %v", name, families[name])
		}
	}
	m.ShowProxy(func() ops.Proxy {
		return ops.Proxy{Keys: issuerKeys{}, Clock: time.Now, Revocations: follower{errors.New("stale")}}
	})
	if text, _ := scrape(t, m); !strings.Contains(text, "certbound_revocations_stale 1\n") {
		t.Error("a stale state is not shown")
	}
}

// TestCardinalityIsBounded: whatever reasons there are, the number of series is
// bounded, and nothing goes uncounted.
func TestCardinalityIsBounded(t *testing.T) {
	m := ops.NewMetrics("v0", "go0")
	const asked = 2000
	for i := range asked {
		m.Observe(&decision.Decision{Journey: decision.APIRequest, Reason: decision.Reason(fmt.Sprint("made_up_", i))})
	}
	_, families := scrape(t, m)
	series := families["certbound_decisions_total"].GetMetric()
	var counted float64
	for _, s := range series {
		counted += s.GetCounter().GetValue()
	}
	if len(series) > 600 || counted != asked {
		t.Errorf("%d series that counted %g of %d", len(series), counted, asked)
	}
}

// TestNoMetrics: a nil Metrics takes everything.
func TestNoMetrics(t *testing.T) {
	var m *ops.Metrics
	m.ShowAuthz(new(server))
	m.ShowProxy(nil)
	m.ShowReloads(nil)
	m.Watch("authz", listener())
	m.Observe(&decision.Decision{})
	m.ObserveCommit(1, 0, nil)
	rec := httptest.NewRecorder()
	ops.Handler(m).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("/metrics answers %d", rec.Code)
	}
}

// TestWatch counts a request and its connection while they are there, and no
// longer.
func TestWatch(t *testing.T) {
	m := ops.NewMetrics("v0", "go0")
	var during string
	s := httptest.NewUnstartedServer(nil)
	s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during, _ = scrape(t, m) })
	m.Watch("ops", s.Config)
	s.Start() // httptest wraps ConnState and calls ours
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, want := range []string{`certbound_open_connections{listener="ops"} 1`, `certbound_in_flight_requests{listener="ops"} 1`} {
		if !strings.Contains(during, want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
	s.Close()
	after, families := scrape(t, m)
	if !strings.Contains(after, `certbound_in_flight_requests{listener="ops"} 0`+"\n") {
		t.Errorf("after the request: %v", slices.Sorted(maps.Keys(families)))
	}
}

func BenchmarkObserve(b *testing.B) {
	m := ops.NewMetrics("v0", "go0")
	d := &decision.Decision{Journey: decision.APIRequest, Reason: decision.ThumbprintMismatch, Elapsed: 40 * time.Microsecond}
	m.Observe(d)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Observe(d)
		}
	})
}

// TestObserveAllocatesNothing: it runs on every request.
func TestObserveAllocatesNothing(t *testing.T) {
	m := ops.NewMetrics("v0", "go0")
	d := &decision.Decision{Journey: decision.APIRequest, Allowed: true, Elapsed: 40 * time.Microsecond}
	m.Observe(d)
	if n := testing.AllocsPerRun(100, func() { m.Observe(d) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
