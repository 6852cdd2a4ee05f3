package receiver

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	writes       *prometheus.CounterVec
	stored       map[version]prometheus.Counter // of writes: those that were answered 204
	writeSeconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		writes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "benchkeep_write_requests_total",
			Help: "Write requests by remote-write version and status of the answer; the version is empty where the headers name none.",
		}, []string{"version", "status"}),
		writeSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "benchkeep_write_request_duration_seconds",
			Help:    "Time from the headers of a write request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		stored: map[version]prometheus.Counter{},
	}
	for _, v := range []version{version1, version2} {
		m.stored[v] = m.writes.WithLabelValues(string(v), strconv.Itoa(http.StatusNoContent))
	}
	return m
}
