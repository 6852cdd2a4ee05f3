package receiver

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/golang/snappy"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore/providers/filesystem"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter"
)

// keeper is a receiver of a real run whose archive a test can read.
type keeper struct {
	*server
	dir string // of the bucket
}

func serveKeeper(t *testing.T) *keeper {
	t.Helper()
	dir := t.TempDir()
	bkt, err := filesystem.NewBucket(dir)
	require.NoError(t, err)
	run := startRun(t, func(o *blockwriter.Options) { o.Bucket = bkt })
	return &keeper{server: serve(t, run, Options{}), dir: dir}
}

// stored is what the archive holds: series → ms → value. Of a NaN the bits are
// given, as they carry meaning.
type stored map[string]map[int64]string

func (s stored) add(series string, t int64, v string) {
	if s[series] == nil {
		s[series] = map[int64]string{}
	}
	s[series][t] = v
}

// archived finishes the run and reads all of its blocks.
func (k *keeper) archived() stored {
	k.t.Helper()
	require.NoError(k.t, k.run.Finish(k.t.Context(), blockwriter.TriggerHTTP))
	entries, err := os.ReadDir(k.dir)
	require.NoError(k.t, err)
	all := stored{}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil {
			k.readBlock(filepath.Join(k.dir, e.Name()), all)
		}
	}
	return all
}

func (k *keeper) readBlock(dir string, into stored) {
	k.t.Helper()
	b, err := tsdb.OpenBlock(nil, dir, chunkenc.NewPool(), nil)
	require.NoError(k.t, err)
	defer b.Close()
	q, err := tsdb.NewBlockQuerier(b, math.MinInt64, math.MaxInt64)
	require.NoError(k.t, err)
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			into.add(set.At().Labels().String(), it.AtT(), valueAt(it, kind))
		}
		require.NoError(k.t, it.Err())
	}
	require.NoError(k.t, set.Err())
}

func valueAt(it chunkenc.Iterator, kind chunkenc.ValueType) string {
	switch kind {
	case chunkenc.ValHistogram:
		_, h := it.AtHistogram(nil)
		return intText(h)
	case chunkenc.ValFloatHistogram:
		_, fh := it.AtFloatHistogram(nil)
		return floatText(fh)
	default:
		_, v := it.At()
		return text(v)
	}
}

func intText(h *histogram.Histogram) string         { return "integers " + h.String() }
func floatText(fh *histogram.FloatHistogram) string { return "floats " + fh.String() }

func text(v float64) string {
	if math.IsNaN(v) {
		return "0x" + strconv.FormatUint(math.Float64bits(v), 16)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// manifest reads the manifest of the finished run.
func (k *keeper) manifest() *archive.Manifest {
	k.t.Helper()
	bkt, err := filesystem.NewBucket(k.dir)
	require.NoError(k.t, err)
	m, err := archive.ReadManifest(k.t.Context(), bkt, k.status().Manifest)
	require.NoError(k.t, err)
	return m
}

// labeled is a series of the given labels, names and values in pairs.
func labeled(samples []prompb.Sample, pairs ...string) prompb.TimeSeries {
	ts := prompb.TimeSeries{Samples: samples}
	for i := 0; i < len(pairs); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return ts
}

// encodeV2 makes a request of remote write 2.0 with a symbols table of its own
// choice. The empty string that it has to begin with is put there.
func encodeV2(t *testing.T, symbols []string, series ...writev2.TimeSeries) []byte {
	t.Helper()
	body, err := (&writev2.Request{Symbols: append([]string{""}, symbols...), Timeseries: series}).Marshal()
	require.NoError(t, err)
	return snappy.Encode(nil, body)
}

func sampleV2(t int64, v float64) writev2.Sample { return writev2.Sample{Timestamp: t, Value: v} }
