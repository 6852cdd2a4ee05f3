package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Versions of remote write.
const (
	remoteWrite1 = "1.0"
	remoteWrite2 = "2.0"
)

const (
	scrapeInterval = 15 * time.Second
	window         = 2 * time.Hour
	// perRequest is Prometheus' max_samples_per_send.
	perRequest = 2000
)

// A workload says what is sent. But for the time of the first sample, it is the
// same every time: there is no randomness in it.
type workload struct {
	protocol string
	// series are sent at every one of samples scrapes; the senders share them.
	series, samples, senders int
	// churn is the share of the series that new ones replace at each scrape.
	churn float64
	// histograms sends native histograms in place of floats.
	histograms bool
}

func (w workload) validate() error {
	switch {
	case w.samples < 1:
		return errors.New("-samples: at least one")
	case w.senders < 1 || w.series < w.senders:
		return errors.New("-senders: at least one, and no more than series")
	case w.churn < 0 || w.churn >= 1:
		return errors.New("-churn: a share from 0 to below 1")
	}
	return nil
}

func (w workload) String() string { return "remote write " + w.protocol }

// total is the number of samples of the whole workload.
func (w workload) total() int64 { return int64(w.series) * int64(w.samples) }

// replaced is the number of series that each scrape but the first replaces.
func (w workload) replaced() int { return int(w.churn * float64(w.series)) }

// start is the time of the first sample in Unix ms, when it is now: so that all
// samples lie in the past, and in as few of the two-hour windows as they can.
func (w workload) start(now time.Time) int64 {
	length := time.Duration(w.samples) * scrapeInterval
	windows := (length + window - 1) / window
	return now.Truncate(window).Add(-windows * window).UnixMilli()
}

// id names the series that is in a slot at a scrape. With churn, the slots are
// replaced in turn; each has an id of its own in every round.
func (w workload) id(slot, scrape int) uint64 {
	round := (scrape*w.replaced() + w.series - 1 - slot) / w.series
	return uint64(slot + round*w.series)
}

// seriesLabels are the ten labels that a series of a scraped server may have.
func seriesLabels(id uint64) labels.Labels {
	number := strconv.FormatUint(id, 10)
	return labels.FromStrings(
		"__name__", "http_request_duration_seconds_bucket_"+strconv.FormatUint(id%100, 10),
		"cluster", "bench-eu-1",
		"container", "server",
		"endpoint", "metrics",
		"instance", fmt.Sprintf("10.0.%d.%d:9090", id/250%250, id%250),
		"job", "server",
		"le", strconv.FormatUint(id%12, 10),
		"method", "GET",
		"namespace", "default",
		"pod", "server-"+"00000000"[min(len(number), 8):]+number,
	)
}

// value moves as the metrics of real systems do: some stand still, counters
// grow by irregular steps, gauges go up and down.
func value(id uint64, scrape int) float64 {
	k := uint64(scrape)
	rate := 1 + scatter(id, 0)%5000
	switch id % 8 {
	case 0, 1:
		return float64(rate)
	case 2, 3, 4: // a counter
		return float64(k*rate + scatter(id, k)%rate)
	case 5: // a sum of seconds
		return float64(k*rate+scatter(id, k)%rate) / 1e6
	case 6: // memory
		return float64(4096 * (rate + scatter(id, k)%64))
	default: // a share
		return float64(scatter(id, k)%1000) / 1000
	}
}

// buckets is how many buckets a native histogram has.
const buckets = 30

// nativeHistogram is a histogram all of whose buckets grow by irregular steps.
func nativeHistogram(id uint64, scrape int) *histogram.Histogram {
	h := &histogram.Histogram{
		Schema:          3,
		ZeroThreshold:   1e-128,
		PositiveSpans:   []histogram.Span{{Offset: -8, Length: 10}, {Offset: 2, Length: 12}, {Offset: 1, Length: 8}},
		PositiveBuckets: make([]int64, buckets),
	}
	var last int64
	for i := range h.PositiveBuckets {
		rate := 1 + scatter(id, uint64(i))%40
		count := uint64(scrape)*rate + scatter(id, uint64(scrape*buckets+i))%rate
		h.PositiveBuckets[i] = int64(count) - last
		last = int64(count)
		h.Count += count
		h.Sum += float64(count) * float64(1+i) / 8
	}
	return h
}

// scatter is SplitMix64's output function over both numbers: evenly spread,
// and the same for the same numbers.
func scatter(a, b uint64) uint64 {
	x := (a+1)*0x9e3779b97f4a7c15 + b*0xd1b54a32d192ed03
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
