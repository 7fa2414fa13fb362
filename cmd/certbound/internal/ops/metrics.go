package ops

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	namespace = "certbound"

	// Values of the label outcome, but for decisions.
	success = "success"
	failure = "failure"

	// scrapesAtOnce bounds what somebody who can reach the listener can ask of us.
	scrapesAtOnce = 4
	// storedFor is how long what the database said is shown again.
	storedFor = 5 * time.Second
)

// Metrics is everything /metrics shows of one process: what it decides from the
// start, and of its halves and listeners what it is given with Show… and
// [Metrics.Watch]. Its registry is its own; nothing that is linked in can add to
// it. A nil Metrics takes everything and shows nothing.
//
// Labels hold values of our own closed vocabularies, and names that an
// administrator gave to trust bundles; never anything a caller sent.
type Metrics struct {
	registry  *prometheus.Registry
	decisions *decisions
	listeners *listeners
	authz     *authzCollector
	proxy     *proxyCollector

	batch  prometheus.Histogram
	commit *prometheus.HistogramVec
}

// NewMetrics returns metrics that know which build they are of.
func NewMetrics(version, goVersion string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), decisions: newDecisions(), listeners: newListeners(),
		authz: newAuthzCollector(), proxy: newProxyCollector(),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "audit_batch_events", Help: "Audit events that one commit made durable.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 160},
		}),
		commit: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "audit_commit_duration_seconds", Help: "Time to commit one batch of audit events.",
			Buckets: seconds,
		}, []string{"outcome"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": version, "go": goVersion},
	})
	build.Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, m.decisions, m.listeners, m.authz, m.proxy)
	return m
}

// seconds are the buckets of every duration.
var seconds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Handler answers scrapes. What cannot be read is left out: a database that is away
// must not hide how the process is.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesAtOnce,
		Registry: m.registry, // promhttp_metric_handler_errors_total
	})
}
