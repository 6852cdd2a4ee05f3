package headcut

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkCut writes a block from a head, as the library does it and as the
// package does: wall time, CPU seconds, and by how many MB the process grew
// while it did, all per block.
func BenchmarkCut(b *testing.B) {
	for _, bm := range []struct {
		name            string
		labels          func(i int) labels.Labels
		series, samples int
	}{
		{"series=100k/samples=20", manyValues, 100_000, 20},
		{"series=100k/samples=480", manyValues, 100_000, 480},
		{"series=500k/samples=20", manyValues, 500_000, 20},
		{"series=500k/samples=20/values=few", fewValues, 500_000, 20},
	} {
		b.Run(bm.name, func(b *testing.B) {
			head := benchHead(b, bm.labels, bm.series, bm.samples)
			b.Run("writer=library", func(b *testing.B) { benchWrite(b, library(b, 0), head) })
			b.Run("writer=headcut", func(b *testing.B) {
				benchWrite(b, own(b, Options{}), head)
			})
		})
	}
}

func benchWrite(b *testing.B, w BlockWriter, head *tsdb.Head) {
	dest := b.TempDir()
	var cpu time.Duration
	var grown int64
	for b.Loop() {
		b.StopTimer()
		debug.FreeOSMemory()
		rss, before := resetPeak(b), cpuTime(b)
		b.StartTimer()
		ids, err := w.Write(dest, tsdb.NewRangeHeadWithIsolationDisabled(head, head.MinTime(), head.MaxTime()), head.MinTime(), head.MaxTime()+1, nil)
		b.StopTimer()
		cpu += cpuTime(b) - before
		grown = max(grown, peak(b)-rss)
		require.NoError(b, err)
		require.NoError(b, os.RemoveAll(filepath.Join(dest, ids[0].String())))
		b.StartTimer()
	}
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(grown)/1e6, "MB-grown")
}

// manyValues are the labels of a scrape: two of ten differ from target to
// target.
func manyValues(i int) labels.Labels {
	return labels.FromStrings(
		"__name__", fmt.Sprintf("http_request_duration_seconds_bucket_%d", i%100),
		"cluster", "bench-eu-1", "container", "server", "endpoint", "metrics", "instance", fmt.Sprintf("10.0.%d.%d:9090", i/250%250, i%250),
		"job", "server", "le", fmt.Sprint(i%12), "method", "GET", "namespace", "default", "pod", fmt.Sprintf("server-%08d", i),
	)
}

// fewValues are labels whose combinations make the series.
func fewValues(i int) labels.Labels {
	digit := func(n int) string {
		d := i % n
		i /= n
		return fmt.Sprint("value-", d)
	}
	return labels.FromStrings(
		"__name__", digit(20), "cluster", "bench-eu-1", "code", digit(5), "endpoint", "metrics", "handler", digit(10),
		"instance", digit(20), "job", "server", "le", digit(12), "method", digit(4), "namespace", digit(3),
	)
}

// benchHead is a head as it is at the end of a run: full chunks are mapped.
func benchHead(b *testing.B, lset func(int) labels.Labels, series, samples int) *tsdb.Head {
	db := openDB(b, b.TempDir(), nil)
	refs := make([]storage.SeriesRef, series)
	for s := range samples {
		app := db.Head().AppenderV2(b.Context())
		for i := range refs {
			l := labels.EmptyLabels()
			if s == 0 {
				l = lset(i)
			}
			var err error
			if refs[i], err = app.Append(refs[i], l, 0, int64(s)*15_000, float64(i%1000+s*(i%7)), nil, nil, storage.AOptions{}); err != nil {
				require.NoError(b, err)
			}
		}
		require.NoError(b, app.Commit())
		if s%120 == 119 {
			db.ForceHeadMMap()
		}
	}
	require.EqualValues(b, series, db.Head().NumSeries())
	return db.Head()
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resetPeak makes peak start anew, and returns what the process has in bytes.
func resetPeak(b *testing.B) int64 {
	require.NoError(b, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
	return memory(b, "VmRSS:")
}

func peak(b *testing.B) int64 { return memory(b, "VmHWM:") }

func memory(b *testing.B, field string) (kb int64) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			_, err := fmt.Sscan(rest, &kb)
			require.NoError(b, err)
		}
	}
	return kb * 1024
}
