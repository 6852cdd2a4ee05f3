package harness

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// vanishAfter is the last scrape that shows the target's short-lived gauge.
const vanishAfter = 3

// A Target is a scrape target with known values that change with every scrape.
// It remembers what it served.
type Target struct {
	Address string

	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	load      *prometheus.GaugeVec
	shortLife *prometheus.GaugeVec
	colliding prometheus.Gauge
	classic   prometheus.Histogram
	native    *prometheus.HistogramVec

	mu      sync.Mutex
	scrapes int
	served  Set
	live    map[string]bool
}

// StartTarget serves the target until the test ends.
func StartTarget(t testing.TB) *Target {
	t.Helper()
	target := newTarget()
	l, err := net.Listen("tcp", FreeAddress(t))
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	target.Address = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.GathererFunc(target.scrape), promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return target
}

func newTarget() *Target {
	target := &Target{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "target_requests_total", Help: "Requests served.",
		}, []string{"code"}),
		load: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "target_load", Help: "Load.",
		}, []string{"host"}),
		shortLife: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "target_short_life", Help: "Is gone after a few scrapes.",
		}, []string{"phase"}),
		colliding: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "target_colliding", Help: "Has labels that runs have too.",
			ConstLabels: prometheus.Labels{"run": "of-its-own", "suite": "end-to-end"},
		}),
		classic: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "target_duration_seconds", Help: "Durations, classic.", Buckets: []float64{0.25, 1.5, 7.5},
		}),
		native: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "target_size_bytes", Help: "Sizes, native.", NativeHistogramBucketFactor: 1.1,
		}, []string{"kind"}),
		served: Set{},
		live:   map[string]bool{},
	}
	target.registry.MustRegister(target.requests, target.load, target.shortLife,
		target.colliding, target.classic, target.native)
	return target
}

// Scrapes is how often the target was scraped.
func (t *Target) Scrapes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.scrapes
}

// WaitScrapes waits until the target was scraped n times.
func (t *Target) WaitScrapes(tb testing.TB, n int) {
	tb.Helper()
	Until(tb, fmt.Sprintf("%d scrapes", n), func() error {
		if got := t.Scrapes(); got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

// Served is what the target has served, in the order of the scrapes, with the
// labels that a scrape adds and the staleness markers that it makes. Times are
// not known to a target.
func (t *Target) Served() Set {
	t.mu.Lock()
	defer t.mu.Unlock()
	served := Set{}
	served.AddSet(t.served)
	return served
}

// scrape moves every value on and serves the result.
func (t *Target) scrape() ([]*dto.MetricFamily, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scrapes++
	t.move(float64(t.scrapes))
	families, err := t.registry.Gather()
	if err == nil {
		t.record(families)
	}
	return families, err
}

func (t *Target) move(n float64) {
	t.requests.WithLabelValues("200").Add(10 * n)
	t.requests.WithLabelValues("500").Inc()
	t.load.WithLabelValues("a").Set(1 / n)
	t.load.WithLabelValues("b").Set(-n)
	t.colliding.Set(n)
	if t.scrapes <= vanishAfter {
		t.shortLife.WithLabelValues("warm-up").Set(n)
	} else {
		t.shortLife.Reset()
	}
	for i := range t.scrapes {
		t.classic.Observe(float64(i))
		t.native.WithLabelValues("positive").Observe(100 * float64(i))
		t.native.WithLabelValues("signed").Observe(float64(i) - 2.5)
	}
}

// record keeps what a scrape of the families stores. A series that was there
// at the last scrape and is no more gets a staleness marker.
func (t *Target) record(families []*dto.MetricFamily) {
	now := map[string]bool{}
	add := func(p Point, name string, l []*dto.LabelPair, more ...string) {
		b := labels.NewBuilder(labels.FromStrings(append(more,
			model.MetricNameLabel, name, "job", "target", "instance", t.Address)...))
		for _, pair := range l {
			b.Set(pair.GetName(), pair.GetValue())
		}
		series := b.Labels()
		t.served.Add(series, p)
		now[series.String()] = true
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				add(FloatPoint(0, m.GetCounter().GetValue()), f.GetName(), m.GetLabel())
			case dto.MetricType_GAUGE:
				add(FloatPoint(0, m.GetGauge().GetValue()), f.GetName(), m.GetLabel())
			case dto.MetricType_HISTOGRAM:
				recordHistogram(f.GetName(), m, add)
			}
		}
	}
	for series := range t.live {
		if !now[series] {
			t.served.Add(t.served[series].Labels, Point{Value: stale})
		}
	}
	t.live = now
}

func recordHistogram(name string, m *dto.Metric, add func(Point, string, []*dto.LabelPair, ...string)) {
	h := m.GetHistogram()
	if h.Schema != nil {
		add(HistogramPoint(0, nativeHistogram(h)), name, m.GetLabel())
		return
	}
	count := float64(h.GetSampleCount())
	add(FloatPoint(0, count), name+"_count", m.GetLabel())
	add(FloatPoint(0, h.GetSampleSum()), name+"_sum", m.GetLabel())
	for _, bucket := range h.GetBucket() {
		add(FloatPoint(0, float64(bucket.GetCumulativeCount())), name+"_bucket", m.GetLabel(),
			"le", formatFloat(bucket.GetUpperBound()))
	}
	add(FloatPoint(0, count), name+"_bucket", m.GetLabel(), "le", "+Inf")
}

func nativeHistogram(h *dto.Histogram) *histogram.Histogram {
	spans := func(in []*dto.BucketSpan) []histogram.Span {
		out := make([]histogram.Span, 0, len(in))
		for _, s := range in {
			out = append(out, histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()})
		}
		return out
	}
	return &histogram.Histogram{
		Schema:          h.GetSchema(),
		ZeroThreshold:   h.GetZeroThreshold(),
		ZeroCount:       h.GetZeroCount(),
		Count:           h.GetSampleCount(),
		Sum:             h.GetSampleSum(),
		PositiveSpans:   spans(h.GetPositiveSpan()),
		NegativeSpans:   spans(h.GetNegativeSpan()),
		PositiveBuckets: h.GetPositiveDelta(),
		NegativeBuckets: h.GetNegativeDelta(),
	}
}
