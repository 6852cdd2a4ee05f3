package receiver

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	writes       *prometheus.CounterVec
	writeSeconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		writes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "benchkeep_write_requests_total",
			Help: "Write requests by remote-write version and status of the answer; the version is empty where the headers name none.",
		}, []string{"version", "status"}),
		writeSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "benchkeep_write_request_duration_seconds",
			Help:    "Time from the headers of a write request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
	}
}
