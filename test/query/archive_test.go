package query

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	// scraped has series of a real Prometheus, and synthetic ones of some hours
	// before, in several blocks.
	scraped = "scraped"
	// sharded has two parts at the same time, which differ in a label.
	sharded = "sharded"

	// scrapes is how many scrapes of the target the run has at least: enough for
	// a series of it to end.
	scrapes = 12
	// interval is that of the synthetic samples, which go on for length.
	interval, length = time.Minute, 4 * time.Hour
	// phase keeps samples off the times that are asked for.
	phase = 7123 * time.Millisecond
)

// archive has both runs in one bucket.
type archive struct {
	t      *testing.T
	dir    string
	bucket harness.Bucket
	// start is that of the synthetic samples' first window.
	start time.Time
}

func newArchive(t *testing.T) *archive {
	dir := harness.Dir(t)
	const window = 2 * time.Hour
	a := &archive{t: t, dir: dir, bucket: harness.StartBucket(t, dir), start: time.Now().Add(-3 * window).Truncate(window)}

	target := harness.StartTarget(t)
	first := a.receive(scraped, scraped, "--run.label=branch=main", "--run.label=pool=large")
	prometheus := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: true, Message: harness.RemoteWriteV2, Receiver: first, Target: target,
	})
	a.send(first, 1)
	for shard := range 2 {
		// The label sorts between those of the series.
		r := a.receive(sharded, fmt.Sprint("shard-", shard), fmt.Sprint("--run.label=k_shard=", shard))
		a.send(r, float64(shard+2))
		end(t, r)
	}
	target.WaitScrapes(t, scrapes)
	prometheus.WaitCalm()
	prometheus.Signal(syscall.SIGTERM)
	if code := prometheus.Wait(); code != 0 {
		t.Fatalf("Prometheus exited with code %d", code)
	}
	end(t, first)
	return a
}

func (a *archive) receive(run, name string, args ...string) *harness.Receiver {
	a.t.Helper()
	return harness.StartReceiver(a.t, a.dir, harness.ReceiverOptions{
		Name: name, Bucket: a.bucket, Run: run, Args: append([]string{"--finish.quiet=1s"}, args...),
	})
}

func end(t *testing.T, r *harness.Receiver) {
	t.Helper()
	r.Signal(syscall.SIGTERM)
	if code := r.Wait(); code != 0 {
		t.Fatalf("benchkeep exited with code %d", code)
	}
}

// send sends the synthetic series, values scaled by a factor.
func (a *archive) send(r *harness.Receiver, factor float64) {
	a.t.Helper()
	s := harness.NewSender(a.t, r, harness.RemoteWriteV2)
	defer s.Close()
	for n := range int(length / interval) {
		at := a.start.Add(time.Duration(n)*interval + phase).UnixMilli()
		batch := counters(at, n, factor)
		batch = append(batch, gauges(at, n, factor)...)
		batch = append(batch, classicHistograms(at, n, factor)...)
		s.Send(append(batch, nativeHistograms(at, n)...)...)
	}
}

func float(at int64, v float64, l ...string) harness.TimeSeries {
	return harness.TimeSeries{Labels: labels.FromStrings(l...), Samples: []harness.Sample{{T: at, V: v}}}
}

// counters are requests of three instances: b starts anew, c is silent for a
// while, and errors begin late. Not from zero: Thanos evens out a reset before
// its engine sees it, which then does not know that it must not extrapolate a
// rate to below zero.
func counters(at int64, n int, factor float64) (out []harness.TimeSeries) {
	for i, instance := range []string{"a", "b", "c"} {
		count := n
		if instance == "b" && n >= 90 {
			count -= 50
		}
		if instance == "c" && n >= 60 && n < 80 {
			continue
		}
		out = append(out, float(at, factor*float64(count*(i+3))*1.1, "__name__", "requests_total", "job", "api", "instance", instance, "code", "200"))
		if n >= 30 {
			out = append(out, float(at, float64(n/7), "__name__", "requests_total", "job", "api", "instance", instance, "code", "500"))
		}
		out = append(out, float(at, 1, "__name__", "build_info", "job", "api", "instance", instance, "version", fmt.Sprint("1.", i/2)))
	}
	return out
}

// gauges are temperatures: one goes away and comes back, one goes away for good,
// one is now and then not a number.
func gauges(at int64, n int, factor float64) (out []harness.TimeSeries) {
	for i, room := range []string{"x", "y", "z", "nan"} {
		v := factor * (20 + 5*math.Sin(float64(n)/(10+float64(i))))
		switch {
		case room == "y" && n == 130, room == "z" && n == 180:
			v = math.Float64frombits(value.StaleNaN)
		case room == "y" && n > 130 && n < 160, room == "z" && n > 180:
			continue
		case room == "nan" && n%5 == 0:
			v = math.NaN()
		}
		out = append(out, float(at, v, "__name__", "temperature", "room", room, "job", "weather"))
	}
	return out
}

func classicHistograms(at int64, n int, factor float64) (out []harness.TimeSeries) {
	for i, instance := range []string{"a", "b"} {
		count := float64(n * (i + 1))
		for j, le := range []string{"0.1", "0.5", "1", "+Inf"} {
			out = append(out, float(at, math.Floor(count*float64(j+1)/4), "__name__", "latency_seconds_bucket", "job", "api", "instance", instance, "le", le))
		}
		out = append(out,
			float(at, count, "__name__", "latency_seconds_count", "job", "api", "instance", instance),
			float(at, factor*count*0.37, "__name__", "latency_seconds_sum", "job", "api", "instance", instance))
	}
	return out
}

// nativeHistograms are of each kind: integers, which are reset in the middle,
// floats that go up and down, and boundaries of their own.
func nativeHistograms(at int64, n int) []harness.TimeSeries {
	native := func(h harness.Histogram, l ...string) harness.TimeSeries {
		h.T = at
		return harness.TimeSeries{Labels: labels.FromStrings(l...), Histograms: []harness.Histogram{h}}
	}
	count := n%120 + 1
	return []harness.TimeSeries{
		native(harness.Histogram{Int: exponential(count)}, "__name__", "size_bytes", "job", "api", "instance", "a"),
		native(harness.Histogram{Int: exponential(2 * (n + 1))}, "__name__", "size_bytes", "job", "api", "instance", "b"),
		native(harness.Histogram{Float: gaugeHistogram(n)}, "__name__", "queue_length", "job", "api"),
		native(harness.Histogram{Int: custom(n + 1)}, "__name__", "wait_seconds", "job", "api"),
	}
}

func exponential(n int) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema: 3, ZeroThreshold: 0.001, ZeroCount: uint64(n), Count: uint64(8 * n), Sum: 1.5 * float64(n),
		PositiveSpans: []histogram.Span{{Offset: -4, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{d, 0, d},
		NegativeSpans: []histogram.Span{{Offset: 2, Length: 2}}, NegativeBuckets: []int64{d, d},
	}
}

func gaugeHistogram(n int) *histogram.FloatHistogram {
	f := 2 + math.Sin(float64(n)/20)
	return &histogram.FloatHistogram{
		CounterResetHint: histogram.GaugeType, Schema: 1, ZeroThreshold: 0.001, ZeroCount: 0.5 * f, Count: 1.75 * f, Sum: 3 * f,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{0.25 * f, f},
	}
}

func custom(n int) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: uint64(4 * n), Sum: 12 * float64(n), CustomValues: []float64{0.1, 1, 10},
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}, {Offset: 1, Length: 2}}, PositiveBuckets: []int64{d, d, -d},
	}
}
