package query

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	minute, hour = int64(60_000), int64(3_600_000)
	runID        = "run-1"
)

// base is the start of a 2h window, some days ago.
var base = time.Now().Add(-72*time.Hour).UnixMilli() / (2 * hour) * 2 * hour

// world is a bucket in a folder, and a cache.
type world struct {
	t      *testing.T
	dir    string // of the bucket
	cache  string
	bucket *countingBucket
}

type countingBucket struct {
	objstore.Bucket

	gets atomic.Int64
}

func (b *countingBucket) Get(ctx context.Context, object string) (io.ReadCloser, error) {
	b.gets.Add(1)
	return b.Bucket.Get(ctx, object)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), cache: filepath.Join(t.TempDir(), "cache")}
	bkt, err := archive.NewDirectoryBucket(w.dir, 0o022)
	require.NoError(t, err)
	w.bucket = &countingBucket{Bucket: bkt}
	return w
}

// sent is a series of a request: name, value, … of its labels, and samples a
// minute apart.
type sent struct {
	labels    []string
	from, to  int64 // the latter exclusive
	value     func(minutes float64) float64
	histogram bool
}

// sentLabels is a blockwriter.LabelReader.
type sentLabels []sent

func (s sentLabels) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	for j := 0; j < len(s[i].labels); j += 2 {
		dst = append(dst, blockwriter.Label{Name: []byte(s[i].labels[j]), Value: []byte(s[i].labels[j+1])})
	}
	return dst, nil
}

// part archives a part of the run.
func (w *world) part(external map[string]string, series ...sent) {
	w.t.Helper()
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{
		Dir: filepath.Join(w.t.TempDir(), "data"), Bucket: w.bucket.Bucket, Run: runID, Labels: external, FinishTimeout: time.Minute,
	})
	require.NoError(w.t, err)
	require.NoError(w.t, r.Start(w.t.Context()))
	defer r.Close()
	b := &blockwriter.Batch{Labels: sentLabels(series)}
	for _, s := range series {
		out := blockwriter.Series{Hash: xxh3.HashString128(fmt.Sprint(s.labels)), Metadata: -1}
		out.Samples.From, out.Histograms.From = int32(len(b.Samples)), int32(len(b.Histograms))
		for at := s.from; at < s.to; at += minute {
			minutes := (at - base) / minute
			if s.histogram {
				b.Histograms = append(b.Histograms, blockwriter.Histogram{Timestamp: at, Int: tsdbutil.GenerateTestHistogram(minutes)})
			} else {
				b.Samples = append(b.Samples, blockwriter.Sample{Timestamp: at, Value: s.value(float64(minutes))})
			}
		}
		out.Samples.To, out.Histograms.To = int32(len(b.Samples)), int32(len(b.Histograms))
		b.Series = append(b.Series, out)
	}
	_, err = r.Append(b)
	require.NoError(w.t, err)
	require.NoError(w.t, r.Finish(w.t.Context(), blockwriter.TriggerSignal))
}

func linear(factor float64) func(float64) float64 {
	return func(minutes float64) float64 { return factor * minutes }
}

// twoBlocks is a run of 4 hours.
func twoBlocks(t *testing.T) *world {
	w := newWorld(t)
	end := base + 4*hour
	w.part(map[string]string{"branch": "main"},
		sent{labels: []string{"__name__", "work_total", "job", "a"}, from: base, to: end, value: linear(60)},
		sent{labels: []string{"__name__", "work_total", "job", "b"}, from: base, to: end, value: func(m float64) float64 { return math.Mod(m, 100) }},
		sent{labels: []string{"__name__", "latency"}, from: base, to: end, histogram: true},
		sent{labels: []string{"__name__", "late"}, from: base + 3*hour, to: end, value: linear(1)})
	return w
}

// run is the run as the catalogue has it.
func (w *world) run() *archive.Run {
	w.t.Helper()
	catalogue, err := archive.ReadCatalogue(w.t.Context(), w.bucket.Bucket, archive.CatalogueOptions{})
	require.NoError(w.t, err)
	run, err := catalogue.Find(runID, true)
	require.NoError(w.t, err)
	return run
}

func (w *world) open(run *archive.Run) (*Local, error) {
	w.t.Helper()
	cache, err := blockcache.Open(w.cache, 1<<30)
	require.NoError(w.t, err)
	l, err := OpenLocal(w.t.Context(), cache, w.bucket, run, nil)
	if err == nil {
		w.t.Cleanup(func() { require.NoError(w.t, l.Close()) })
	}
	return l, err
}

func (w *world) local() *Local {
	w.t.Helper()
	l, err := w.open(w.run())
	require.NoError(w.t, err)
	return l
}

// brief writes an answer as a table of its series and values.
func brief(r *Result) string {
	var lines []string
	for _, s := range r.Series {
		line := s.Labels.String()
		for _, p := range s.Points {
			if p.H != nil {
				line += fmt.Sprintf(" %d:count=%g,sum=%g", (p.T-base)/minute, p.H.Count, p.H.Sum)
			} else {
				line += fmt.Sprintf(" %d:%g", (p.T-base)/minute, p.V)
			}
		}
		lines = append(lines, line)
	}
	if r.Text != "" {
		lines = append(lines, r.Text)
	}
	return string(r.Type) + "\n" + strings.Join(lines, "\n")
}

func ask(t *testing.T, s Source, expr string, at int64) string {
	t.Helper()
	r, err := s.Instant(t.Context(), expr, at)
	require.NoError(t, err, expr)
	require.Empty(t, r.Warnings)
	return brief(r)
}

// files are the paths of the cached files of that name.
func (w *world) files(rel ...string) []string {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(append([]string{w.cache, "*", "block"}, rel...)...))
	require.NoError(w.t, err)
	require.NotEmpty(w.t, paths)
	return paths
}

// flip changes a byte in place, also under who has the file mapped.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
}
