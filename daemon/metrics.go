package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/confmirror/confmirror/mirror"
)

// metrics of runs. Names begin with confmirror_.
type metrics struct {
	runs     *prometheus.CounterVec
	duration prometheus.Histogram
	entities *prometheus.CounterVec

	notifications *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry, d *Daemon) *metrics {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confmirror_runs_total", Help: "Runs by what set them off and how they ended (ok, held, error, blocked).",
		}, []string{"trigger", "result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "confmirror_run_duration_seconds", Help: "How long runs took.", Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 12),
		}),
		entities: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confmirror_entities_total", Help: "Entities by what a run did with them.",
		}, []string{"action"}),
	}
	m.notifications = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "confmirror_notifications_total", Help: "Notifications of people, by result (sent, failed).",
	}, []string{"result"})
	for _, result := range []string{"sent", "failed"} {
		m.notifications.WithLabelValues(result)
	}
	registry.MustRegister(m.notifications, m.runs, m.duration, m.entities,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "confmirror_mirrors_held", Help: "Mirrors whose lease this daemon holds.",
		}, func() float64 { return float64(len(d.leases.ids())) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "confmirror_queue_depth", Help: "Mirrors that wait for a worker.",
		}, func() float64 { return float64(d.queue.Depth()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "confmirror_clones_open", Help: "Clones that are open.",
		}, func() float64 { return float64(d.sessions.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "confmirror_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": d.o.Version},
		}, func() float64 { return 1 }),
		mirrorMetrics{d},
	)
	return m
}

func (m *metrics) run(r *mirror.Report, err error, took time.Duration) {
	result := string(r.State)
	if err != nil && result == string(mirror.StateOK) {
		result = string(mirror.StateError)
	}
	m.runs.WithLabelValues(r.Trigger, result).Inc()
	m.duration.Observe(took.Seconds())
	for action, n := range map[string]int{
		"exported": r.Exported, "imported": r.Imported, "deleted": r.Deleted,
		"merged": r.Merged, "conflict": r.Conflicts, "error": r.Errors,
	} {
		m.entities.WithLabelValues(action).Add(float64(n))
	}
}
