package export

import (
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	run = "exported"
	// scrapes is more than it takes for the target's short-lived series to end.
	scrapes = 6
	// age is beyond the 15 days that a Prometheus keeps.
	age = 30 * 24 * time.Hour
)

// archived is a run with two shards, whose samples are of the same time, and of
// 30 days ago.
func archived(t *testing.T, dir string) harness.Bucket {
	t.Helper()
	bucket := harness.StartBucket(t, dir)
	scraped, sent := shard(t, dir, bucket, "scraped"), shard(t, dir, bucket, "sent")
	target := harness.StartTarget(t)
	agent := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: true, Message: harness.RemoteWriteV1, Receiver: scraped, Target: target,
	})
	target.WaitScrapes(t, scrapes)
	agent.WaitMetadata()
	send(t, harness.NewSender(t, sent, harness.RemoteWriteV2))
	agent.Signal(syscall.SIGTERM)
	for _, p := range []*harness.Process{agent.Process, scraped.Process, sent.Process} {
		if p != agent.Process {
			p.Signal(syscall.SIGTERM)
		}
		if code := p.Wait(); code != 0 {
			t.Fatalf("%s exited with code %d", p.Name, code)
		}
	}
	return bucket
}

func shard(t *testing.T, dir string, b harness.Bucket, name string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, harness.ReceiverOptions{Name: name, Bucket: b, Run: run, Args: []string{"--run.label=shard=" + name}})
}

// send sends what a scrape does not have: hostile names and labels, values that
// are none, histograms of every kind, ends.
func send(t *testing.T, s *harness.Sender) {
	t.Helper()
	now := time.Now()
	long := labels.FromStrings("__name__", "sent_load", "text", "a \"quoted\"\\back\\slash,\nnew line, {x=\"y\"} # \t\x00é")
	foreign := labels.FromStrings("__name__", "sent.räder", "service.name", "shop", "le", "1")
	for i, at := range []int64{now.Add(-age).UnixMilli(), now.Add(-time.Minute).UnixMilli() + 1, now.UnixMilli()} {
		n := float64(i + 1)
		s.Send(
			harness.TimeSeries{Labels: long, Samples: []harness.Sample{{T: at, V: []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[i]}}},
			harness.TimeSeries{Labels: foreign, Samples: []harness.Sample{{T: at, V: n / 3}}},
			harness.TimeSeries{Labels: labels.FromStrings("__name__", "sent_int"), Histograms: []harness.Histogram{{T: at, Int: &histogram.Histogram{
				Schema: 3, ZeroThreshold: 0.001, ZeroCount: 1, Count: 8, Sum: 1.5 * n,
				PositiveSpans: []histogram.Span{{Offset: -4, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{1, 0, 1},
				NegativeSpans: []histogram.Span{{Offset: 2, Length: 2}}, NegativeBuckets: []int64{1, 1},
			}}}},
			harness.TimeSeries{Labels: labels.FromStrings("__name__", "sent_float"), Histograms: []harness.Histogram{{T: at, Float: &histogram.FloatHistogram{
				Schema: 1, Count: 2.25 * n, Sum: -3 * n,
				PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{0.25 * n, n},
				NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{n},
			}}}},
			harness.TimeSeries{Labels: labels.FromStrings("__name__", "sent_custom"), Histograms: []harness.Histogram{{T: at, Int: &histogram.Histogram{
				Schema: histogram.CustomBucketsSchema, Count: 4, Sum: 12, CustomValues: []float64{0.1, 1, 10},
				PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}, {Offset: 1, Length: 2}}, PositiveBuckets: []int64{1, 1, -1},
			}}}},
		)
	}
	stale := math.Float64frombits(value.StaleNaN)
	s.Send(
		harness.TimeSeries{Labels: foreign, Samples: []harness.Sample{{T: now.UnixMilli() + 1, V: stale}}},
		harness.TimeSeries{Labels: labels.FromStrings("__name__", "sent_int"), Histograms: []harness.Histogram{{T: now.UnixMilli() + 1, Int: &histogram.Histogram{Sum: stale}}}},
	)
	s.Close()
}

// floats is the part of a set that OpenMetrics can tell of, and the number of
// samples that are native histograms and staleness markers.
func floats(s harness.Set) (part harness.Set, histograms, stale int) {
	part = harness.Set{}
	for _, series := range s {
		for _, p := range series.Points {
			switch {
			case p.Brief == "":
				stale++
			case strings.HasPrefix(p.Brief, "histogram"):
				histograms++
			default:
				part.Add(series.Labels, p)
			}
		}
	}
	return part, histograms, stale
}

// internal is a set without the external labels of the run's shards.
func internal(s harness.Set) harness.Set {
	part := harness.Set{}
	for _, series := range s {
		part.Add(labels.NewBuilder(series.Labels).Del("run", "shard").Labels(), series.Points...)
	}
	return part
}

// benchkeep runs an export to its end, and gives what it printed.
func benchkeep(t *testing.T, dir, name string, b harness.Bucket, args ...string) string {
	t.Helper()
	p := harness.Benchkeep(t, dir, name, append([]string{"export", run, "--objstore.config-file=" + b.ConfigFile}, args...)...)
	if code := p.Wait(); code != 0 {
		t.Fatalf("benchkeep export exited with code %d:\n%s", code, p.Log())
	}
	return p.Log()
}

// check fails the test where two sets differ.
func check(t *testing.T, want, got harness.Set) {
	t.Helper()
	got.Sort()
	if diff := harness.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
