package ops

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// Proxy is what a resource server shows of itself.
type Proxy struct {
	Keys IssuerKeys
	// Revocations is nil when the feed is not followed.
	Revocations Follower
	// ClientNotAfter is the end of the certificate that Revocations presents.
	ClientNotAfter time.Time
	Clock          func() time.Time
}

// IssuerKeys is the issuer's key set as it was fetched.
type IssuerKeys interface{ Status() jwks.Status }

// Follower is the state of a revocation feed.
type Follower interface {
	Age() time.Duration
	Seq() int64
	Entries() int
	Ready() error
}

// ShowProxy shows a resource server. It is asked at each scrape: a reload may have
// replaced any part.
func (m *Metrics) ShowProxy(source func() Proxy) {
	if m == nil {
		return
	}
	m.proxy.source.Store(&source)
	m.decisions.expect(decision.APIRequest)
	m.listeners.show("revocations_client", func() (time.Time, bool) {
		end := source().ClientNotAfter
		return end, !end.IsZero()
	})
}

// proxyCollector reads the source when somebody scrapes.
type proxyCollector struct {
	source atomic.Pointer[func() Proxy]

	age, seq, entries, stale        *prometheus.Desc
	keysAge, keyFetches, keyFailure *prometheus.Desc
}

func newProxyCollector() *proxyCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, nil, nil)
	}
	return &proxyCollector{
		age:        desc("revocations_age_seconds", "Time since the last good answer of the revocation feed, or since the start when there was none."),
		seq:        desc("revocations_seq", "Number of the last entry of the revocation feed that the resource server has heard."),
		entries:    desc("revocations_entries", "Denials and generations that the resource server remembers."),
		stale:      desc("revocations_stale", "Whether the state is too old to serve by, 1 or 0; while it is 1 every request is refused."),
		keysAge:    desc("issuer_keys_age_seconds", "Time since the issuer's keys were fetched; absent before the first time."),
		keyFetches: desc("issuer_keys_fetches_total", "Fetches of the issuer's keys, good or bad."),
		keyFailure: desc("issuer_keys_fetch_failures_total", "Fetches of the issuer's keys that failed."),
	}
}

// Describe implements prometheus.Collector.
func (c *proxyCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.age, c.seq, c.entries, c.stale, c.keysAge, c.keyFetches, c.keyFailure} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *proxyCollector) Collect(ch chan<- prometheus.Metric) {
	p := c.source.Load()
	if p == nil {
		return
	}
	source := (*p)()
	status := source.Keys.Status()
	ch <- counter(c.keyFetches, status.Fetches)
	ch <- counter(c.keyFailure, status.Failures)
	if !status.Fetched.IsZero() {
		ch <- gauge(c.keysAge, source.Clock().Sub(status.Fetched).Seconds())
	}
	if f := source.Revocations; f != nil {
		ch <- gauge(c.age, f.Age().Seconds())
		ch <- gauge(c.seq, float64(f.Seq()))
		ch <- gauge(c.entries, float64(f.Entries()))
		ch <- gauge(c.stale, truth(f.Ready() != nil))
	}
}
