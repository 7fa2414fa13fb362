package ops

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// listeners shows the connections and requests of each listener, and until when
// its certificate is valid.
type listeners struct {
	connections *prometheus.GaugeVec
	requests    *prometheus.GaugeVec
	notAfter    *prometheus.Desc

	mu           sync.Mutex
	certificates map[string]func() (time.Time, bool)
}

func newListeners() *listeners {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{"listener"})
	}
	return &listeners{
		connections: gauge("open_connections", "Connections that are open."),
		requests:    gauge("in_flight_requests", "Requests that are being served."),
		notAfter: prometheus.NewDesc(namespace+"_certificate_not_after_timestamp_seconds",
			"When a certificate that we present ends.", []string{"certificate"}, nil),
		certificates: map[string]func() (time.Time, bool){},
	}
}

// Watch shows a listener by its name. Call it before the server is served: it
// takes the place of ConnState and wraps the handler.
func (m *Metrics) Watch(name string, server *http.Server) {
	if m == nil {
		return
	}
	open := m.listeners.connections.WithLabelValues(name)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Inc()
		case http.StateClosed, http.StateHijacked:
			open.Dec()
		}
	}
	server.Handler = promhttp.InstrumentHandlerInFlight(m.listeners.requests.WithLabelValues(name), server.Handler)
	if server.TLSConfig != nil {
		m.listeners.show(name, func() (time.Time, bool) { return presented(server.TLSConfig) })
	}
}

// presented is the end of the certificate that a handshake would be given now.
func presented(c *tls.Config) (time.Time, bool) {
	if c.GetCertificate == nil {
		return time.Time{}, false
	}
	certificate, err := c.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || certificate == nil || certificate.Leaf == nil {
		return time.Time{}, false
	}
	return certificate.Leaf.NotAfter, true
}

func (l *listeners) show(name string, notAfter func() (time.Time, bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.certificates[name] = notAfter
}

// Describe implements prometheus.Collector.
func (l *listeners) Describe(ch chan<- *prometheus.Desc) {
	l.connections.Describe(ch)
	l.requests.Describe(ch)
	ch <- l.notAfter
}

// Collect implements prometheus.Collector.
func (l *listeners) Collect(ch chan<- prometheus.Metric) {
	l.connections.Collect(ch)
	l.requests.Collect(ch)
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, notAfter := range l.certificates {
		if end, ok := notAfter(); ok {
			ch <- timestamp(l.notAfter, end, name)
		}
	}
}

func timestamp(desc *prometheus.Desc, t time.Time, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(t.Unix()), labels...)
}
