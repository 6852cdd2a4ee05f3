package blockwriter

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what the run exposes of itself. The counts of samples are read
// from its own account, so that metrics, status and manifest cannot disagree.
type metrics struct {
	tsdb tsdbMetrics

	blocksShipped       prometheus.Counter
	bytesShipped        prometheus.Counter
	bucketRetries       prometheus.Counter
	bucketReachable     prometheus.Gauge
	maintenanceFailures prometheus.Counter
	windowSeconds       prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, r *Run) *metrics {
	f := promauto.With(reg)
	total := func(name, help string, labels prometheus.Labels, read func(*tally) int64) {
		f.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(read(&r.totals))
		})
	}
	total("benchkeep_samples_received_total", "Samples that senders sent, floats and histograms.", nil,
		func(t *tally) int64 { return t.received })
	total("benchkeep_samples_written_total", "Samples stored, each once; the blocks of the archived run hold as many.", nil,
		func(t *tally) int64 { return t.written })
	total("benchkeep_samples_duplicate_total", "Samples sent again that were stored already, with the same value.", nil,
		func(t *tally) int64 { return t.duplicates })
	total("benchkeep_start_timestamps_total", "Zero samples written for start timestamps.", nil,
		func(t *tally) int64 { return t.startTimestamps })
	total("benchkeep_exemplars_dropped_total", "Exemplars received; blocks cannot hold them.", nil,
		func(t *tally) int64 { return t.exemplars })
	for reason := range numReasons {
		total("benchkeep_samples_rejected_total", "Samples refused for good, by reason.",
			prometheus.Labels{"reason": reason.String()}, func(t *tally) int64 { return t.rejected[reason] })
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "benchkeep_finish_timeout_seconds", Help: "What a finish may take, --finish.timeout.",
	}, func() float64 { return r.opts.FinishTimeout.Seconds() })
	gauge := func(name, help string, read func(Status) float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return read(r.Status()) })
	}
	gauge("benchkeep_head_series", "Series in the head.", func(s Status) float64 { return float64(s.Head.Series) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "benchkeep_storage_free_bytes", Help: "Bytes left on the disk of the storage path.",
	}, func() float64 { free, _ := diskSpace(r.opts.Dir); return float64(free) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "benchkeep_storage_full", Help: "1 while writes are refused because the rest of the disk is kept for the finish.",
	}, func() float64 { return boolFloat(r.room() != nil) })
	gauge("benchkeep_estimated_finish_seconds", "What cutting and shipping would take if the run ended now, without the drain.",
		func(s Status) float64 { return s.EstimatedFinishSeconds })
	gauge("benchkeep_samples_archived", "Samples in the complete blocks of the bucket.", func(s Status) float64 { return float64(s.Archived) })
	for _, state := range []State{
		StateStarting, StateOpen, StateDraining, StateFenced, StateCutting, StateUploading, StateArchived, StateFailed,
	} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "benchkeep_state", Help: "1 for the state that the run is in, 0 for the others.",
			ConstLabels: prometheus.Labels{"state": string(state)},
		}, func() float64 { return boolFloat(r.State() == state) })
	}
	m := &metrics{
		blocksShipped:       f.NewCounter(prometheus.CounterOpts{Name: "benchkeep_blocks_shipped_total", Help: "Blocks uploaded and verified."}),
		bytesShipped:        f.NewCounter(prometheus.CounterOpts{Name: "benchkeep_shipped_bytes_total", Help: "Bytes of the blocks uploaded and verified."}),
		bucketRetries:       f.NewCounter(prometheus.CounterOpts{Name: "benchkeep_bucket_retries_total", Help: "Bucket operations that did not succeed and were tried again."}),
		bucketReachable:     f.NewGauge(prometheus.GaugeOpts{Name: "benchkeep_bucket_reachable", Help: "1 if the last manifest could be written to the bucket, 0 if not."}),
		windowSeconds:       f.NewGauge(prometheus.GaugeOpts{Name: "benchkeep_last_window_seconds", Help: "What cutting and shipping the last window took; 0 before there was one."}),
		maintenanceFailures: f.NewCounter(prometheus.CounterOpts{Name: "benchkeep_maintenance_failures_total", Help: "Times that cutting and shipping while the run goes on did not complete."}),
	}
	if reg != nil {
		reg.MustRegister(&m.tsdb)
	}
	return m
}

// tsdbMetrics are the metrics of the database that is open: a run may open one
// after the other.
type tsdbMetrics struct {
	atomic.Pointer[prometheus.Registry]
}

// Describe describes nothing, because what there will be is not known.
func (*tsdbMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect hands on what the database has.
func (t *tsdbMetrics) Collect(ch chan<- prometheus.Metric) {
	if metrics := t.Load(); metrics != nil {
		metrics.Collect(ch)
	}
}

// sum adds up the database's counters of the given name.
func (t *tsdbMetrics) sum(name string) (total float64, err error) {
	families, err := t.Load().Gather()
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total, err
}
