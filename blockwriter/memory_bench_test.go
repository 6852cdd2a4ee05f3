package blockwriter

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// BenchmarkMemoryPerSeries measures what a series takes: ten labels, 20
// samples. "B/series" is the heap of head and cache after the last write,
// "B/series-peak" the most that the process had from the operating system while
// the run was finished. docs/sizing.md and the default of --limit.series rest
// on them.
func BenchmarkMemoryPerSeries(b *testing.B) {
	const series, perBatch, samples = 200_000, 2_000, 20
	for b.Loop() {
		bkt, err := archive.NewDirectoryBucket(b.TempDir(), 0o022)
		require.NoError(b, err)
		before := heap(b)
		r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), Options{Dir: b.TempDir(), Bucket: bkt})
		require.NoError(b, err)
		require.NoError(b, r.Start(b.Context()))
		for i := range samples {
			for from := 0; from < series; from += perBatch {
				_, err := r.Append(batch(wide(from, perBatch, base+int64(i)*15_000)...))
				require.NoError(b, err)
			}
		}
		after := heap(b)
		require.NoError(b, r.Finish(b.Context(), TriggerSignal))
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(after-before)/series, "B/series")
		b.ReportMetric(float64(m.HeapSys-m.HeapReleased)/series, "B/series-peak")
		require.NoError(b, r.Close())
	}
}

// wide gives series of ten labels with one sample each.
func wide(from, n int, ts int64) []sent {
	out := make([]sent, n)
	for i := range out {
		id := from + i
		out[i] = sent{
			labels: []string{
				"__name__", fmt.Sprintf("http_request_duration_seconds_bucket_%d", id%100),
				"cluster", "bench-eu-1", "container", "server", "endpoint", "metrics", "instance", fmt.Sprintf("10.0.%d.%d:9090", id/250%250, id%250),
				"job", "server", "le", fmt.Sprint(id % 12), "method", "GET", "namespace", "default", "pod", fmt.Sprintf("server-%08d", id),
			},
			samples: []Sample{at(ts, float64(id))},
		}
	}
	return out
}

func heap(b *testing.B) uint64 {
	b.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
