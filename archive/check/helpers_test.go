package check_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	minute, hour = int64(60_000), int64(3_600_000)
	runID        = "run-1"
)

// base is the start of a 2h window, some days ago.
var base = time.Now().Add(-72*time.Hour).UnixMilli() / (2 * hour) * 2 * hour

// world is a bucket in a folder, with a run that receivers put there.
type world struct {
	t      *testing.T
	dir    string
	bucket objstore.Bucket
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.open()
	return w
}

func (w *world) open() {
	var err error
	w.bucket, err = archive.NewDirectoryBucket(w.dir, 0o022)
	require.NoError(w.t, err)
}

// clone copies the world for a test that is going to damage it.
func (w *world) clone(t *testing.T) *world {
	c := newWorld(t)
	require.NoError(t, os.CopyFS(c.dir, os.DirFS(w.dir)))
	return c
}

// start opens a receiver of the run, with a storage path of its own.
func (w *world) start(configure ...func(*blockwriter.Options)) *blockwriter.Run {
	w.t.Helper()
	opts := blockwriter.Options{
		Dir: filepath.Join(w.t.TempDir(), "data"), Bucket: w.bucket, Run: runID, Labels: map[string]string{"branch": "main"},
		FinishTimeout: time.Minute,
	}
	for _, c := range configure {
		c(&opts)
	}
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), opts)
	require.NoError(w.t, err)
	require.NoError(w.t, r.Start(w.t.Context()))
	w.t.Cleanup(func() { r.Close() })
	return r
}

func (w *world) finish(r *blockwriter.Run) {
	w.t.Helper()
	require.NoError(w.t, r.Finish(w.t.Context(), blockwriter.TriggerSignal))
	require.NoError(w.t, r.Close())
}

// sent is a series of a request: a metric with a sample at each of the times.
type sent struct {
	metric    string
	times     []int64
	histogram bool
}

// sentLabels is a blockwriter.LabelReader.
type sentLabels []sent

func (s sentLabels) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	for _, l := range [][2]string{{"__name__", s[i].metric}, {"job", "test"}, {"instance", fmt.Sprint(i % 2)}} {
		dst = append(dst, blockwriter.Label{Name: []byte(l[0]), Value: []byte(l[1])})
	}
	return dst, nil
}

func write(t *testing.T, r *blockwriter.Run, series ...sent) {
	t.Helper()
	b := &blockwriter.Batch{Labels: sentLabels(series)}
	for i, s := range series {
		out := blockwriter.Series{Hash: xxh3.HashString128(fmt.Sprint(i%2, s.metric)), Metadata: -1}
		out.Samples.From, out.Histograms.From = int32(len(b.Samples)), int32(len(b.Histograms))
		for j, at := range s.times {
			if s.histogram {
				b.Histograms = append(b.Histograms, blockwriter.Histogram{Timestamp: at, Int: tsdbutil.GenerateTestHistogram(int64(j))})
			} else {
				b.Samples = append(b.Samples, blockwriter.Sample{Timestamp: at, Value: float64(at % 1000)})
			}
		}
		out.Samples.To, out.Histograms.To = int32(len(b.Samples)), int32(len(b.Histograms))
		b.Series = append(b.Series, out)
	}
	_, err := r.Append(b)
	require.NoError(t, err)
}

// every gives times from one to the other, which is not among them.
func every(step, from, to int64) (times []int64) {
	for t := from; t < to; t += step {
		times = append(times, t)
	}
	return times
}

// twoWindows has a run of two blocks, with 4 series and 604 samples.
func twoWindows(t *testing.T) *world {
	w := newWorld(t)
	r := w.start()
	times := every(minute, base, base+4*hour)
	write(t, r, sent{metric: "up", times: times}, sent{metric: "requests", times: times},
		sent{metric: "latency", times: times[:120], histogram: true}, sent{metric: "late", times: times[236:]})
	w.finish(r)
	require.Len(t, w.blocks(), 2)
	return w
}

// run is the run as the catalogue has it.
func (w *world) run() *archive.Run {
	w.t.Helper()
	catalogue, err := archive.ReadCatalogue(w.t.Context(), w.bucket, archive.CatalogueOptions{})
	require.NoError(w.t, err)
	run, err := catalogue.Find(runID, true)
	require.NoError(w.t, err)
	return run
}

// check runs the check, and requires that it leaves no file behind.
func (w *world) check() *check.Report {
	w.t.Helper()
	w.t.Setenv("TMPDIR", w.t.TempDir())
	report, err := check.Run(w.t.Context(), w.bucket, w.run(), nil)
	require.NoError(w.t, err)
	left, err := os.ReadDir(os.TempDir())
	require.NoError(w.t, err)
	require.Empty(w.t, left)
	return report
}

// kinds are the findings' kinds, sorted, each once.
func kinds(r *check.Report) (out []check.Kind) {
	for _, f := range r.Findings {
		out = append(out, f.Kind)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// blocks are the bucket's blocks, oldest time first, as far as their meta.json
// can be read.
func (w *world) blocks() []ulid.ULID {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	require.NoError(w.t, err)
	start := map[ulid.ULID]int64{}
	var ids []ulid.ULID
	for _, e := range entries {
		id, err := ulid.ParseStrict(e.Name())
		if err != nil {
			continue
		}
		var m meta
		data, err := os.ReadFile(w.path(archive.BlockObject(id, archive.MetaFile)))
		if err != nil || json.Unmarshal(data, &m) != nil {
			continue
		}
		start[id] = m.MinTime
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ulid.ULID) int { return int(start[a] - start[b]) })
	return ids
}

// path is where an object lies on disk.
func (w *world) path(object string) string { return filepath.Join(w.dir, filepath.FromSlash(object)) }

func (w *world) read(object string) []byte {
	w.t.Helper()
	data, err := os.ReadFile(w.path(object))
	require.NoError(w.t, err)
	return data
}

func (w *world) put(object string, data []byte) {
	w.t.Helper()
	require.NoError(w.t, os.MkdirAll(filepath.Dir(w.path(object)), 0o755))
	require.NoError(w.t, os.WriteFile(w.path(object), data, 0o644))
}

// remove takes away an object, or all below a folder.
func (w *world) remove(object string) {
	w.t.Helper()
	_, err := os.Stat(w.path(object))
	require.NoError(w.t, err)
	require.NoError(w.t, os.RemoveAll(w.path(object)))
}

// meta is a meta.json.
type meta struct {
	tsdb.BlockMeta

	Thanos archive.Thanos `json:"thanos"`
}

func (w *world) meta(id ulid.ULID) (m meta) {
	w.t.Helper()
	require.NoError(w.t, json.Unmarshal(w.read(archive.BlockObject(id, archive.MetaFile)), &m))
	return m
}

func (w *world) putMeta(id ulid.ULID, m meta) {
	w.t.Helper()
	data, err := json.Marshal(m)
	require.NoError(w.t, err)
	w.put(archive.BlockObject(id, archive.MetaFile), data)
}

// editMeta changes a block's meta.json.
func (w *world) editMeta(id ulid.ULID, edit func(*meta)) {
	w.t.Helper()
	m := w.meta(id)
	edit(&m)
	w.putMeta(id, m)
}

func (w *world) manifests() (objects []string) {
	w.t.Helper()
	objects, err := archive.ManifestObjects(w.t.Context(), w.bucket, runID)
	require.NoError(w.t, err)
	return objects
}

// editManifest changes the first manifest, and leaves it where it was.
func (w *world) editManifest(edit func(*archive.Manifest)) {
	w.t.Helper()
	object := w.manifests()[0]
	m, err := archive.ReadManifest(w.t.Context(), w.bucket, object)
	require.NoError(w.t, err)
	edit(m)
	data, err := json.Marshal(m)
	require.NoError(w.t, err)
	w.put(object, data)
}

// edit changes an object in its length or its bytes.
func (w *world) edit(object string, edit func([]byte) []byte) {
	w.t.Helper()
	w.put(object, edit(w.read(object)))
}

// cover makes meta.json and manifest list the block's files as they are now: a
// forger's work.
func (w *world) cover(id ulid.ULID) {
	w.t.Helper()
	var files []archive.File
	w.editMeta(id, func(m *meta) {
		for i, f := range m.Thanos.Files {
			if f.RelPath == archive.MetaFile {
				continue
			}
			data := w.read(archive.BlockObject(id, f.RelPath))
			sum := sha256.Sum256(data)
			m.Thanos.Files[i] = archive.File{
				RelPath: f.RelPath, SizeBytes: int64(len(data)),
				Hash: &archive.Hash{Func: "SHA256", Value: hex.EncodeToString(sum[:])},
			}
			files = append(files, m.Thanos.Files[i])
		}
	})
	w.editManifest(func(m *archive.Manifest) {
		for i := range m.Blocks {
			if m.Blocks[i].ULID == id {
				m.Blocks[i].Files = files
			}
		}
	})
}
