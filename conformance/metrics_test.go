package conformance

import (
	"maps"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// metrics is one scrape of /metrics.
type metrics struct {
	text     string
	families map[string]*dto.MetricFamily
}

func scrape(t *testing.T, d *harness.Dev) metrics {
	t.Helper()
	return scrapeBy(t, d, nil)
}

// scrapeBy is scrape over an open connection.
func scrapeBy(t *testing.T, d *harness.Dev, client *http.Client) metrics {
	t.Helper()
	resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Ops + "/metrics", Client: client})
	if resp.Status != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s, %v", resp, resp.Header)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(resp.Body)))
	if err != nil {
		t.Fatal(err)
	}
	return metrics{string(resp.Body), families}
}

// value is that of the one series with these labels, given as name, value; absent
// counts as zero.
func (m metrics) value(name string, labels ...string) float64 {
	for _, metric := range m.families[name].GetMetric() {
		if !hasLabels(metric, labels) {
			continue
		}
		switch {
		case metric.Counter != nil:
			return metric.GetCounter().GetValue()
		case metric.Histogram != nil:
			return float64(metric.GetHistogram().GetSampleCount())
		}
		return metric.GetGauge().GetValue()
	}
	return 0
}

func hasLabels(metric *dto.Metric, labels []string) bool {
	has := map[string]string{}
	for _, pair := range metric.GetLabel() {
		has[pair.GetName()] = pair.GetValue()
	}
	for i := 0; i+1 < len(labels); i += 2 {
		if has[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// TestMetricsCountDecisions: a token, a stolen token, a caller nobody knows and a
// request to nowhere each raise the counter of what was decided about them, and no
// other.
func TestMetricsCountDecisions(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	c := newCaller(t, d, "acme-billing")
	thief := d.Pair(t, "mallory-app")
	before := scrape(t, d)
	steps := []struct {
		what    string
		do      func()
		journey string
		reason  string
	}{
		{"a token", func() { d.Token(t, &c.pair, harness.TokenForm("acme-billing")) }, "token_request", ""},
		{"a client by another's certificate", func() { d.PostToken(t, &thief, harness.TokenForm("acme-billing")) }, "token_request", "subject_mismatch"},
		{"no certificate", func() { d.PostToken(t, nil, harness.TokenForm("acme-billing")) }, "token_request", "certificate_missing"},
		{"a client that does not exist", func() { d.PostToken(t, &thief, harness.TokenForm("10.1.2.3")) }, "token_request", "client_unknown"},
		{"a call", func() { d.CallAPI(t, &c.pair, c.token) }, "api_request", ""},
		{"a stolen token", func() { d.CallAPI(t, &thief, c.token) }, "api_request", "thumbprint_mismatch"},
		{"nowhere", func() {
			d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Proxy + "/" + thumbprintOf(thief), Pair: &thief})
		}, "api_request", "route_unknown"},
		{"introspection", func() { introspected(t, d, c.token) }, "introspection_request", ""},
	}
	for _, step := range steps {
		step.do()
		after := scrape(t, d)
		outcome := "allow"
		if step.reason != "" {
			outcome = "refuse"
		}
		labels := []string{"journey", step.journey, "outcome", outcome, "reason", step.reason}
		if got := after.value("certbound_decisions_total", labels...) - before.value("certbound_decisions_total", labels...); got != 1 {
			t.Errorf("%s: the counter of %v rose by %g", step.what, labels, got)
		}
		if got := after.value("certbound_decision_duration_seconds", labels[:4]...) - before.value("certbound_decision_duration_seconds", labels[:4]...); got != 1 {
			t.Errorf("%s: the histogram of %v rose by %g", step.what, labels[:4], got)
		}
		if got := after.decided() - before.decided(); got != 1 {
			t.Errorf("%s: %g decisions were counted", step.what, got)
		}
		before = after
	}
	expectQuiet(t, before)
	expectState(t, before)
}

// decided is how many decisions were counted, but for those of the follower, which
// asks when it likes.
func (m metrics) decided() (sum float64) {
	for _, metric := range m.families["certbound_decisions_total"].GetMetric() {
		if !hasLabels(metric, []string{"journey", "feed_request"}) {
			sum += metric.GetCounter().GetValue()
		}
	}
	return sum
}

// expectState looks at what both halves and their listeners show.
func expectState(t *testing.T, m metrics) {
	t.Helper()
	for name, want := range map[string]float64{
		"certbound_build_info": 1, "certbound_database_up": 1, "certbound_revocations_stale": 0, "certbound_audit_unavailable_total": 0,
	} {
		if got := m.value(name); m.families[name] == nil || got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	if m.value("certbound_audit_events_stored_total") < 2 || m.value("certbound_issuer_keys_fetches_total") < 1 {
		t.Error("tokens were issued and verified, and neither shows")
	}
	for _, certificate := range []string{"authz", "proxy", "admin", "revocations_client"} {
		if m.value("certbound_certificate_not_after_timestamp_seconds", "certificate", certificate) == 0 {
			t.Errorf("the end of the certificate %s is not shown", certificate)
		}
	}
	for _, bundle := range []string{"partners", "globex"} {
		if m.value("certbound_trust_anchor_not_after_timestamp_seconds", "bundle", bundle) == 0 {
			t.Errorf("the end of the bundle %s is not shown", bundle)
		}
	}
	for _, purpose := range []string{"access_token", "revocation_feed"} {
		if m.value("certbound_signing_keys", "purpose", purpose, "state", "active") != 1 {
			t.Errorf("there is not one active key for %s", purpose)
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if m.families[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// Words of ours, and what a caller or a certificate could bring in.
var (
	ownWord   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	longValue = regexp.MustCompile(`[0-9A-Fa-f:]{16,}|[A-Za-z0-9_-]{40,}`)
)

// expectQuiet wants every label's value to be a word of ours: nothing that looks
// like a thumbprint, a serial number, an address or a client.
func expectQuiet(t *testing.T, m metrics) {
	t.Helper()
	for _, family := range slices.Sorted(maps.Keys(m.families)) {
		if !strings.HasPrefix(family, "certbound_") || family == "certbound_build_info" {
			continue
		}
		for _, metric := range m.families[family].GetMetric() {
			for _, pair := range metric.GetLabel() {
				value := pair.GetValue()
				_, err := netip.ParseAddr(value)
				if value != "" && (!ownWord.MatchString(value) || longValue.MatchString(value) || err == nil) {
					t.Errorf("%s{%s=%q} is no word of ours", family, pair.GetName(), value)
				}
			}
		}
	}
	for _, id := range []string{"acme", "mallory", "10.1.2.3", "127.0.0.1", "localhost"} {
		if strings.Contains(m.text, id) {
			t.Errorf("the metrics name %s", id)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	d := harness.Shared(t)
	problems, err := promlint.New(strings.NewReader(scrape(t, d).text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetricsAreDocumented: what a running process shows stands on the page.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range scrape(t, harness.Shared(t)).families {
		if strings.HasPrefix(name, "certbound_") && !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/metrics.md does not say what %s is", name)
		}
	}
}
