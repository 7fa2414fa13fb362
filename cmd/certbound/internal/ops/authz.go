package ops

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/resource/decision"
)

// Authz is what an authorization server shows of itself.
type Authz interface {
	AuditStats() audit.Stats
	FeedWaiting() int
	TrustAnchors() map[string]time.Time
	Stored(ctx context.Context) (authz.Stored, error)
}

// ShowAuthz shows an authorization server.
func (m *Metrics) ShowAuthz(source Authz) {
	if m == nil {
		return
	}
	if m.authz.source.Swap(&source) == nil {
		m.registry.MustRegister(m.batch, m.commit)
	}
	m.decisions.expect(decision.TokenRequest, decision.IntrospectionRequest, decision.RevocationRequest, decision.FeedRequest, decision.EnrollmentRequest, admin.Journey)
}

// ObserveCommit counts one commit of the audit recorder. It is for audit.Config.
func (m *Metrics) ObserveCommit(events int, took time.Duration, err error) {
	if m == nil {
		return
	}
	word := success
	if err != nil {
		word = failure
	} else {
		m.batch.Observe(float64(events))
	}
	m.commit.WithLabelValues(word).Observe(took.Seconds())
}

// authzCollector reads the source when somebody scrapes.
type authzCollector struct {
	source atomic.Pointer[Authz]

	stored, dropped, unavailable, queued *prometheus.Desc
	pruned, pruneFailed                  *prometheus.Desc
	feedSeq, waiting, databaseUp         *prometheus.Desc
	anchors, keys, keySince, expiring    *prometheus.Desc

	mu   sync.Mutex
	last authz.Stored
	err  error
	read time.Time // when last and err were read
}

func newAuthzCollector() *authzCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &authzCollector{
		stored:      desc("audit_events_stored_total", "Audit events made durable by the recorder's commits."),
		dropped:     desc("audit_events_dropped_total", "Records of refusals that were not stored because there were too many; each was logged."),
		unavailable: desc("audit_unavailable_total", "Events that could not be made durable, so that what they record was refused."),
		pruned:      desc("audit_events_pruned_total", "Audit events deleted because they were pruned."),
		pruneFailed: desc("audit_prune_failures_total", "Times that pruning failed, or was stopped by a chain that does not hold."),
		queued:      desc("audit_queue_length", "Audit events that wait for a commit."),
		feedSeq:     desc("feed_seq", "Number of the last entry of the revocation feed, as the authorization server has it."),
		waiting:     desc("feed_waiting_followers", "Resource servers that wait at the revocation feed."),
		databaseUp:  desc("database_up", "Whether the database answered when this was last asked, 1 or 0."),
		anchors:     desc("trust_anchor_not_after_timestamp_seconds", "When the first anchor of an active trust bundle ends.", "bundle"),
		keys:        desc("signing_keys", "Signing keys that are published or about to be.", "purpose", "state"),
		expiring:    desc("client_certificates_expiring", "Certificates of clients, as far as they are on record, that end within 30 days."),
		keySince:    desc("signing_key_active_since_timestamp_seconds", "Since when the active signing key is in use.", "purpose"),
	}
}

// Describe implements prometheus.Collector.
func (c *authzCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.stored, c.dropped, c.unavailable, c.pruned, c.pruneFailed, c.queued, c.feedSeq, c.waiting, c.databaseUp, c.anchors, c.keys, c.keySince, c.expiring,
	} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *authzCollector) Collect(ch chan<- prometheus.Metric) {
	p := c.source.Load()
	if p == nil {
		return
	}
	source := *p
	stats := source.AuditStats()
	ch <- counter(c.stored, stats.Committed)
	ch <- counter(c.dropped, stats.Dropped)
	ch <- counter(c.unavailable, stats.Failed)
	ch <- counter(c.pruned, stats.Pruned)
	ch <- counter(c.pruneFailed, stats.PruneFailed)
	ch <- gauge(c.queued, float64(stats.Queued))
	ch <- gauge(c.waiting, float64(source.FeedWaiting()))
	for bundle, end := range source.TrustAnchors() {
		ch <- timestamp(c.anchors, end, bundle)
	}
	stored, err := c.database(source)
	ch <- gauge(c.databaseUp, truth(err == nil))
	if err != nil {
		return // better nothing than what was
	}
	ch <- gauge(c.feedSeq, float64(stored.FeedSeq))
	ch <- gauge(c.expiring, float64(stored.CertificatesExpiring))
	for _, k := range stored.SigningKeys {
		ch <- gauge(c.keys, float64(k.Count), k.Purpose, k.State)
		if k.State == "active" {
			ch <- timestamp(c.keySince, k.Since, k.Purpose)
		}
	}
}

// database asks at most every storedFor: scrapes must not be a way to load it.
func (c *authzCollector) database(source Authz) (authz.Stored, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.IsZero() || time.Since(c.read) >= storedFor {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		c.last, c.err = source.Stored(ctx)
		c.read = time.Now()
	}
	return c.last, c.err
}

func counter(desc *prometheus.Desc, n int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
