package ops

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certbound/certbound/resource/decision"
)

// maxOutcomes bounds the combinations of journey and reason that are counted
// apart. Both are constants of ours and there are fewer; what comes beyond is
// counted as reason "other".
const maxOutcomes = 512

const (
	allow  = "allow"
	refuse = "refuse"
	other  = "other"
)

// outcome is what decisions are counted by.
type outcome struct {
	journey decision.Journey
	allowed bool
	reason  decision.Reason
}

// decisions counts decisions. Each outcome finds its counter and its histogram by
// one look into a map that is never written: it is replaced when an outcome is seen
// for the first time.
type decisions struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu    sync.Mutex
	known atomic.Pointer[map[outcome]*series]
}

type series struct {
	total    prometheus.Counter
	duration prometheus.Observer // nil where the time says nothing
}

func newDecisions() *decisions {
	d := &decisions{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "decisions_total", Help: "Requests decided, by what was decided and why; the reason of an allowed one is empty.",
		}, []string{"journey", "outcome", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "decision_duration_seconds", Help: "Time from a request to its decision; of an API request to the upstream's answer.",
			Buckets: seconds,
		}, []string{"journey", "outcome"}),
	}
	d.known.Store(&map[outcome]*series{})
	return d
}

// Observe counts one decision. It is for decision.Sink.
func (m *Metrics) Observe(d *decision.Decision) {
	if m == nil {
		return
	}
	s := m.decisions.of(outcome{d.Journey, d.Allowed, d.Reason})
	s.total.Inc()
	if s.duration != nil {
		s.duration.Observe(d.Elapsed.Seconds())
	}
}

func (d *decisions) of(o outcome) *series {
	if s, ok := (*d.known.Load())[o]; ok {
		return s
	}
	return d.add(o)
}

func (d *decisions) add(o outcome) *series {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := *d.known.Load()
	if s, ok := known[o]; ok {
		return s
	}
	if len(known) >= maxOutcomes {
		return d.series(outcome{other, o.allowed, other})
	}
	s := d.series(o)
	grown := make(map[outcome]*series, len(known)+1)
	for k, v := range known {
		grown[k] = v
	}
	grown[o] = s
	d.known.Store(&grown)
	return s
}

// expect shows a journey's counter of allowed requests from the start, so that the
// first one is seen as an increase.
func (d *decisions) expect(journeys ...decision.Journey) {
	for _, journey := range journeys {
		d.of(outcome{journey: journey, allowed: true})
	}
}

func (d *decisions) series(o outcome) *series {
	word := refuse
	if o.allowed {
		word = allow
	}
	s := &series{total: d.total.WithLabelValues(string(o.journey), word, string(o.reason))}
	if o.journey != decision.FeedRequest { // asks us to wait: its time is the follower's choice
		s.duration = d.duration.WithLabelValues(string(o.journey), word)
	}
	return s
}

// Describe implements prometheus.Collector.
func (d *decisions) Describe(ch chan<- *prometheus.Desc) {
	d.total.Describe(ch)
	d.duration.Describe(ch)
}

// Collect implements prometheus.Collector.
func (d *decisions) Collect(ch chan<- prometheus.Metric) {
	d.total.Collect(ch)
	d.duration.Collect(ch)
}
