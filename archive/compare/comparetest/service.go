package comparetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/blockwriter"
)

var types = map[string]blockwriter.MetricType{
	"http_requests_total": 1, "queue_length": 2, "http_request_duration_seconds": 3, "index_lookup_seconds": 3, "http_response_bytes": 5,
}

// service is a build under load.
type service struct {
	Build
	random *rand.Rand
	values map[string]float64
	lookup *histogram.FloatHistogram
	queue  float64
}

func newService(seed uint64, b Build) *service {
	if b.Slower == 0 {
		b.Slower = 1
	}
	if b.Length == 0 {
		b.Length = length
	}
	return &service{Build: b, random: rand.New(rand.NewPCG(seed, 7)), values: map[string]float64{}}
}

// bounds are the classic histogram's buckets.
func bounds() (le []float64) {
	for b := 0.01; b < 0.2; b *= 1.1 {
		le = append(le, b)
	}
	return append(le, math.Inf(1))
}

// scrape goes on to a time, and gives what a scrape finds.
func (s *service) scrape(begin time.Time, at time.Duration) *blockwriter.Batch {
	slower := s.Slower
	if at < s.WarmUp {
		slower *= 3
	}
	observed := make([]float64, 100+s.random.IntN(21)-10)
	for i := range observed {
		observed[i] = slower * 0.05 * math.Exp(0.3*s.random.NormFloat64())
		s.values["http_request_duration_seconds_sum"] += observed[i]
		for _, le := range bounds() {
			if observed[i] <= le {
				s.values[fmt.Sprintf("http_request_duration_seconds_bucket{le=%v}", le)]++
			}
		}
	}
	n := float64(len(observed))
	s.values["http_requests_total{code=200}"] += n
	s.values["http_request_duration_seconds_count"] += n
	s.queue = 0.7*s.queue + s.random.NormFloat64()
	s.values["queue_length"] = 30 + s.queue
	s.values["http_response_bytes{quantile=0.5}"] = 1000 + 10*s.random.NormFloat64()
	s.values["http_response_bytes_count"] += n
	s.values["http_response_bytes_sum"] += 1000 * n
	s.values["up"] = 1
	s.values["process_start_time_seconds"] = float64(begin.Unix())
	for name, value := range s.Extra {
		s.values[name] = value(at)
	}
	return s.batch(begin.Add(at).UnixMilli(), s.native(observed))
}

// native adds to the native histogram of schema 3.
func (s *service) native(observed []float64) *histogram.FloatHistogram {
	counts := map[int32]float64{}
	for _, v := range observed {
		counts[int32(math.Ceil(8*math.Log2(v)))]++
	}
	fresh := &histogram.FloatHistogram{Schema: 3, CounterResetHint: histogram.UnknownCounterReset}
	for i := int32(-80); i < 20; i++ {
		fresh.PositiveBuckets = append(fresh.PositiveBuckets, counts[i])
		fresh.Count += counts[i]
	}
	fresh.PositiveSpans = []histogram.Span{{Offset: -80, Length: 100}}
	for _, v := range observed {
		fresh.Sum += v
	}
	if s.lookup != nil {
		for i, n := range s.lookup.PositiveBuckets {
			fresh.PositiveBuckets[i] += n
		}
		fresh.Count += s.lookup.Count
		fresh.Sum += s.lookup.Sum
	}
	s.lookup = fresh
	return fresh.Copy()
}

func (s *service) batch(at int64, lookup *histogram.FloatHistogram) *blockwriter.Batch {
	var names seriesNames
	b := &blockwriter.Batch{Sender: "Prometheus/3.16.0"}
	if !s.Untold {
		for name, kind := range types {
			b.Metadata = append(b.Metadata, blockwriter.Metadata{Name: []byte(name), Type: kind})
		}
	}
	add := func(name string, samples, histograms blockwriter.Range) {
		names = append(names, name)
		b.Series = append(b.Series, blockwriter.Series{Hash: xxh3.HashString128(name), Samples: samples, Histograms: histograms, Metadata: -1})
	}
	for name, value := range s.values {
		n := int32(len(b.Samples))
		b.Samples = append(b.Samples, blockwriter.Sample{Timestamp: at, Value: value})
		add(name, blockwriter.Range{From: n, To: n + 1}, blockwriter.Range{})
	}
	b.Histograms = append(b.Histograms, blockwriter.Histogram{Timestamp: at, Float: lookup})
	add("index_lookup_seconds", blockwriter.Range{}, blockwriter.Range{From: 0, To: 1})
	b.Labels = names
	return b
}

// seriesNames is the blockwriter.LabelReader of series named name{label=value}.
type seriesNames []string

func (s seriesNames) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	name, pair, labelled := strings.Cut(strings.TrimSuffix(s[i], "}"), "{")
	dst = append(dst, blockwriter.Label{Name: []byte("__name__"), Value: []byte(name)})
	if labelled {
		label, value, _ := strings.Cut(pair, "=")
		dst = append(dst, blockwriter.Label{Name: []byte(label), Value: []byte(value)})
	}
	return dst, nil
}
