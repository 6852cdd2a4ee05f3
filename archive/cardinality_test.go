package archive

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

// realIndex is an index as the TSDB writes it, of so many series of each metric,
// with further labels.
func realIndex(t *testing.T, metrics map[string]int, more ...string) []byte {
	t.Helper()
	symbols := map[string]bool{}
	var series []labels.Labels
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		for i := range metrics[name] {
			l := labels.FromStrings(append([]string{"__name__", name}, more...)...)
			if metrics[name] > 1 {
				l = labels.NewBuilder(l).Set("instance", fmt.Sprintf("%05d", i)).Labels()
			}
			l.Range(func(l labels.Label) { symbols[l.Name], symbols[l.Value] = true, true })
			series = append(series, l)
		}
	}
	slices.SortFunc(series, labels.Compare)
	path := filepath.Join(t.TempDir(), IndexFile)
	w, err := index.NewWriter(t.Context(), path)
	require.NoError(t, err)
	for _, symbol := range slices.Sorted(maps.Keys(symbols)) {
		require.NoError(t, w.AddSymbol(symbol))
	}
	for i, l := range series {
		require.NoError(t, w.AddSeries(storage.SeriesRef(i), l))
	}
	require.NoError(t, w.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func putIndex(t *testing.T, bkt objstore.Bucket, block ulid.ULID, data []byte) {
	t.Helper()
	require.NoError(t, bkt.Upload(t.Context(), BlockObject(block, IndexFile), bytes.NewReader(data)))
}

func TestSeriesByMetric(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	for name, tc := range map[string]struct {
		metrics map[string]int
		more    []string
	}{
		"one series, and no label after the metric": {map[string]int{"up": 1}, nil},
		"labels before the metric":                  {map[string]int{"up": 1, "down": 3}, []string{"A", "x", "Z", "y"}},
		"labels after it":                           {map[string]int{"a": 2, "b": 1, "c": 5000, "d": 7}, []string{"job", "x", "zone", "y"}},
		"nothing":                                   {map[string]int{}, nil},
		"no metric":                                 {map[string]int{"": 3}, []string{"job", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			putIndex(t, bkt, id(1), realIndex(t, tc.metrics, tc.more...))
			got, err := seriesByMetric(t.Context(), bkt, id(1))
			require.NoError(t, err)
			delete(tc.metrics, "")
			require.Equal(t, len(tc.metrics), len(got))
			for metric, n := range tc.metrics {
				require.EqualValues(t, n, got[metric], metric)
			}
		})
	}
}

func TestMetricSeriesOfARun(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	first := manifest("run", "a", map[string]string{"shard": "0"}, id(1), id(2))
	putRun(t, bkt, first)
	putRun(t, bkt, manifest("run", "b", map[string]string{"shard": "1"}, id(3)))
	coarse := compacted(first, id(4), 2)
	coarse.Resolution = 300_000
	putBlock(t, bkt, coarse) // its index is none
	putIndex(t, bkt, id(1), realIndex(t, map[string]int{"a": 3, "b": 4}))
	putIndex(t, bkt, id(2), realIndex(t, map[string]int{"a": 5, "b": 2}))
	putIndex(t, bkt, id(3), realIndex(t, map[string]int{"a": 10, "c": 1}))
	got, err := onlyRun(t, bkt).MetricSeries(t.Context(), bkt)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 15, "b": 4, "c": 1}, got)
}

// A broken index is an error, whatever is broken; it takes neither the process
// down nor its memory.
func TestSeriesByMetricOfABrokenIndex(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	whole := realIndex(t, map[string]int{"a": 3, "b": 4}, "job", "x")
	for _, size := range []int{0, 1, tocSize - 1, tocSize, len(whole) - 1} {
		putIndex(t, bkt, id(1), whole[:size])
		_, err := seriesByMetric(t.Context(), bkt, id(1))
		require.Error(t, err, "%d bytes", size)
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0xff
		putIndex(t, bkt, id(1), broken)
		got, err := seriesByMetric(t.Context(), bkt, id(1))
		if i >= len(whole)-tocSize {
			require.ErrorIs(t, err, errBrokenIndex, "byte %d", i)
		}
		if err == nil {
			require.LessOrEqual(t, len(got), 3, "byte %d", i)
		}
	}
	require.NoError(t, bkt.Delete(t.Context(), BlockObject(id(1), IndexFile)))
	_, err := seriesByMetric(t.Context(), bkt, id(1))
	require.Error(t, err)
}
