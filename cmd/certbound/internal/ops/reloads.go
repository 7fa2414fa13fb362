package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certbound/certbound/cmd/certbound/internal/reload"
)

// Reloads is the account of a process's reloads.
type Reloads interface{ Stats() reload.Stats }

// ShowReloads shows them. Call it once.
func (m *Metrics) ShowReloads(source Reloads) {
	if m == nil {
		return
	}
	m.registry.MustRegister(&reloadCollector{
		source: source,
		total:  prometheus.NewDesc(namespace+"_config_reloads_total", "Reloads of the configuration and the files it names.", []string{"outcome"}, nil),
		ok:     prometheus.NewDesc(namespace+"_config_last_reload_successful", "Whether the last reload succeeded, 1 or 0; while it is 0 an older configuration is in force.", nil, nil),
		since:  prometheus.NewDesc(namespace+"_config_last_reload_success_timestamp_seconds", "When the configuration in force was read.", nil, nil),
	})
}

type reloadCollector struct {
	source           Reloads
	total, ok, since *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *reloadCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.total
	ch <- c.ok
	ch <- c.since
}

// Collect implements prometheus.Collector.
func (c *reloadCollector) Collect(ch chan<- prometheus.Metric) {
	stats := c.source.Stats()
	ch <- counter(c.total, int64(stats.Succeeded), success)
	ch <- counter(c.total, int64(stats.Failed), failure)
	ch <- gauge(c.ok, truth(stats.OK))
	ch <- timestamp(c.since, stats.LastSuccess)
}
