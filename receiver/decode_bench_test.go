package receiver

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"
)

// The request of the benchmarks is a full batch of Prometheus: one sample of
// each of 2,000 series, with the labels of a typical container metric.
const (
	benchSeries = 2000
	benchLabels = 10
)

// BenchmarkDecode compares the decoder with the generated code of Prometheus
// on the same bytes. The latter makes messages only; a receiver built on it
// has yet to make labels of them.
func BenchmarkDecode(b *testing.B) {
	v1, v2 := benchBody(b)
	r := &request{seed: 1}
	// As in Prometheus' own handler, the messages are made afresh each time.
	for _, c := range []struct {
		name   string
		body   []byte
		decode func([]byte) error
	}{
		{"v1/decoder=benchkeep", v1, r.decodeV1},
		{"v1/decoder=prompb", v1, func(body []byte) error { return new(prompb.WriteRequest).Unmarshal(body) }},
		{"v2/decoder=benchkeep", v2, r.decodeV2},
		{"v2/decoder=prompb", v2, func(body []byte) error { return new(writev2.Request).Unmarshal(body) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				require.NoError(b, c.decode(c.body))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSeries, "ns/sample")
		})
	}
}

// BenchmarkAppendLabels is what a series costs that was not seen before, on
// top of its decoding.
func BenchmarkAppendLabels(b *testing.B) {
	v1, v2 := benchBody(b)
	r := &request{seed: 1}
	for _, c := range []struct {
		name   string
		body   []byte
		decode func([]byte) error
	}{{"v1", v1, r.decodeV1}, {"v2", v2, r.decodeV2}} {
		b.Run(c.name, func(b *testing.B) {
			require.NoError(b, c.decode(c.body))
			dst, err := r.AppendLabels(nil, 0)
			require.NoError(b, err)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if dst, err = r.AppendLabels(dst[:0], i%len(r.Series)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchBody encodes the same series for both versions.
func benchBody(tb testing.TB) (v1, v2 []byte) {
	var (
		req1    prompb.WriteRequest
		req2    writev2.Request
		symbols = writev2.NewSymbolTable()
	)
	for i := range benchSeries {
		names := [benchLabels][2]string{
			{"__name__", fmt.Sprintf("container_network_receive_bytes_%d_total", i/100)},
			{"container", "benchmark-runner"},
			{"cluster", "ci-europe-west"},
			{"endpoint", "https-metrics"},
			{"id", fmt.Sprintf("/kubepods/burstable/pod%08x", i)},
			{"instance", fmt.Sprintf("10.0.%d.%d:10250", i/250, i%250)},
			{"job", "kubelet"},
			{"namespace", "benchmark"},
			{"node", fmt.Sprintf("worker-%d", i%20)},
			{"pod", fmt.Sprintf("runner-%d", i%100)},
		}
		ts1 := prompb.TimeSeries{Samples: []prompb.Sample{{Value: float64(i) * 1.5, Timestamp: 1_790_000_000_000}}}
		ts2 := writev2.TimeSeries{Samples: []writev2.Sample{{Value: float64(i) * 1.5, Timestamp: 1_790_000_000_000}}}
		for _, l := range names {
			ts1.Labels = append(ts1.Labels, prompb.Label{Name: l[0], Value: l[1]})
			ts2.LabelsRefs = append(ts2.LabelsRefs, symbols.Symbolize(l[0]), symbols.Symbolize(l[1]))
		}
		req1.Timeseries = append(req1.Timeseries, ts1)
		req2.Timeseries = append(req2.Timeseries, ts2)
	}
	req2.Symbols = symbols.Symbols()
	v1, err := req1.Marshal()
	require.NoError(tb, err)
	v2, err = req2.Marshal()
	require.NoError(tb, err)
	return v1, v2
}
