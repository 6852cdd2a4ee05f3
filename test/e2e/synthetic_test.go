package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// messages are the two remote-write messages by short names.
var messages = map[string]string{"v1": harness.RemoteWriteV1, "v2": harness.RemoteWriteV2}

// labelled are the labels of the i-th series of a metric.
func labelled(name string, i int) labels.Labels {
	return labels.FromStrings("__name__", name, "i", strconv.Itoa(i))
}

// floats is the i-th series of a metric with float samples.
func floats(name string, i int, samples ...harness.Sample) harness.TimeSeries {
	return harness.TimeSeries{Labels: labelled(name, i), Samples: samples}
}

// A scrape is what one scrape at a time gives: n series of a metric, whose
// values tell series and time apart.
func scrape(name string, n int, at time.Time) []harness.TimeSeries {
	series := make([]harness.TimeSeries, 0, n)
	for i := range n {
		sample := harness.Sample{T: at.UnixMilli(), V: float64(at.UnixMilli())/1000 + float64(i)}
		series = append(series, floats(name, i, sample))
	}
	return series
}

// each calls f for every step from a time up to, but not including, another.
func each(from, to time.Time, step time.Duration, f func(time.Time)) {
	for at := from; at.Before(to); at = at.Add(step) {
		f(at)
	}
}

// windows is how many aligned windows the samples fall into.
func windows(set harness.Set) int {
	seen := map[int64]bool{}
	for _, series := range set {
		for _, p := range series.Points {
			seen[p.T/window] = true
		}
	}
	return len(seen)
}

// sent is everything that the senders' receivers have acknowledged.
func sent(senders ...*harness.Sender) harness.Set {
	all := harness.Set{}
	for _, s := range senders {
		all.AddSet(s.Acknowledged)
	}
	all.Sort()
	return all
}

// startRun starts a receiver for a run with the usual labels.
func startRun(t *testing.T, dir string, b harness.Bucket, run string, args ...string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, harness.ReceiverOptions{
		Name: "benchkeep-" + run, Bucket: b, Run: run, Args: append(args, runLabels...),
	})
}
