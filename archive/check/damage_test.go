package check_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

// TestDamageIsFound damages one thing after the other of a run that is as it
// should be.
func TestDamageIsFound(t *testing.T) {
	whole := twoWindows(t)
	first, second := whole.blocks()[0], whole.blocks()[1]
	of := archive.BlockObject
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	for name, c := range map[string]struct {
		damage func(w *world)
		want   []check.Kind
		object string
	}{
		"segment missing":   {func(w *world) { w.remove(of(first, "chunks/000001")) }, []check.Kind{check.ObjectMissing}, of(first, "chunks/000001")},
		"index missing":     {func(w *world) { w.remove(of(first, "index")) }, []check.Kind{check.ObjectMissing}, of(first, "index")},
		"segment flipped":   {func(w *world) { w.edit(of(first, "chunks/000001"), flip(100)) }, []check.Kind{check.ChunkUnreadable, check.ObjectHash}, of(first, "chunks/000001")},
		"segment cut":       {func(w *world) { w.edit(of(first, "chunks/000001"), func(b []byte) []byte { return b[:len(b)-1] }) }, []check.Kind{check.ChunkUnreadable, check.ObjectSize}, of(first, "chunks/000001")},
		"segment longer":    {func(w *world) { w.edit(of(first, "chunks/000001"), func(b []byte) []byte { return append(b, 0) }) }, []check.Kind{check.ObjectSize}, of(first, "chunks/000001")},
		"segment empty":     {func(w *world) { w.put(of(first, "chunks/000001"), nil) }, []check.Kind{check.ChunkUnreadable, check.ObjectSize}, of(first, "chunks/000001")},
		"index cut":         {func(w *world) { w.edit(of(first, "index"), func(b []byte) []byte { return b[:len(b)-1] }) }, []check.Kind{check.IndexUnreadable, check.ObjectSize}, of(first, "index")},
		"index empty":       {func(w *world) { w.put(of(first, "index"), nil) }, []check.Kind{check.IndexUnreadable, check.ObjectSize}, of(first, "index")},
		"index's TOC":       {func(w *world) { w.edit(of(first, "index"), flip(-1)) }, []check.Kind{check.IndexUnreadable, check.ObjectHash}, of(first, "index")},
		"object foreign":    {func(w *world) { w.put(of(first, "chunks/000002"), []byte("x")) }, []check.Kind{check.ObjectForeign}, of(first, "chunks/000002")},
		"marks of Thanos":   {func(w *world) { w.put(of(first, "no-compact-mark.json"), []byte("{}")) }, nil, ""},
		"meta.json missing": {func(w *world) { w.remove(of(first, "meta.json")) }, []check.Kind{check.MetaMissing}, of(first, "meta.json")},
		"meta.json torn":    {func(w *world) { w.edit(of(first, "meta.json"), func(b []byte) []byte { return b[:len(b)/2] }) }, []check.Kind{check.MetaUnreadable}, of(first, "meta.json")},
		"meta.json empty":   {func(w *world) { w.put(of(first, "meta.json"), nil) }, []check.Kind{check.MetaUnreadable}, of(first, "meta.json")},
		"meta.json missing and segment flipped": {func(w *world) {
			w.remove(of(first, "meta.json"))
			w.edit(of(first, "chunks/000001"), flip(100))
		}, []check.Kind{check.ChunkUnreadable, check.MetaMissing, check.ObjectHash}, of(first, "meta.json")},
		"block missing":             {func(w *world) { w.remove(first.String()) }, []check.Kind{check.BlockMissing}, first.String()},
		"block marked for deletion": {func(w *world) { w.put(of(first, "deletion-mark.json"), []byte("{}")) }, []check.Kind{check.BlockMissing}, first.String()},
		"block foreign": {func(w *world) {
			w.copyBlock(first, foreign, func(m *meta) { m.MinTime, m.MaxTime = base-2*hour, base })
		}, []check.Kind{check.BlockForeign, check.TimeWrong}, foreign.String()},
		"block overlaps": {func(w *world) { w.copyBlock(first, foreign, nil) }, []check.Kind{check.BlockForeign, check.BlockOverlap}, foreign.String()},
		"blocks of the run overlap": {func(w *world) {
			w.editMeta(second, func(m *meta) { m.MinTime -= minute })
			w.editManifest(func(m *archive.Manifest) { m.Blocks[1].MinTime -= minute })
		}, []check.Kind{check.BlockOverlap}, second.String()},
		"manifest missing":    {func(w *world) { w.remove(w.manifests()[0]) }, []check.Kind{check.ManifestMissing}, archive.ManifestObject(runID, "*")},
		"manifest torn":       {func(w *world) { w.edit(w.manifests()[0], func(b []byte) []byte { return b[:len(b)/2] }) }, []check.Kind{check.ManifestUnreadable}, whole.manifests()[0]},
		"manifest empty":      {func(w *world) { w.put(w.manifests()[0], nil) }, []check.Kind{check.ManifestUnreadable}, whole.manifests()[0]},
		"manifest of later":   {func(w *world) { w.editManifest(func(m *archive.Manifest) { m.Version++ }) }, []check.Kind{check.ManifestUnreadable}, whole.manifests()[0]},
		"blocks of two parts": {func(w *world) { w.copyBlock(first, foreign, func(m *meta) { m.Thanos.Labels["branch"] = "dev" }) }, []check.Kind{check.BlockForeign}, foreign.String()},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			c.damage(w)
			report := w.check()
			require.Equal(t, c.want, kinds(report), "%v", report.Findings)
			if c.want == nil {
				require.Equal(t, check.Good, report.Verdict)
				return
			}
			require.Equal(t, check.Broken, report.Verdict)
			require.True(t, slices.ContainsFunc(report.Findings, func(f check.Finding) bool { return f.Object == c.object }), "%v", report.Findings)
		})
	}
}

var foreign = ulid.MustParse("01JGGQ2N4Y3Z5V8W9XABCDEFGH")

// copyBlock makes another block of one.
func (w *world) copyBlock(from, to ulid.ULID, edit func(*meta)) {
	w.t.Helper()
	m := w.meta(from)
	m.ULID, m.Compaction.Sources = to, []ulid.ULID{to}
	if edit != nil {
		edit(&m)
	}
	for _, f := range m.Thanos.Files {
		w.put(archive.BlockObject(to, f.RelPath), w.read(archive.BlockObject(from, f.RelPath)))
	}
	w.putMeta(to, m)
}

// TestMetaThatLies changes one field after the other.
func TestMetaThatLies(t *testing.T) {
	whole := twoWindows(t)
	for name, c := range map[string]struct {
		lie  func(*meta)
		want []check.Kind // beside meta-wrong
	}{
		"ulid":             {func(m *meta) { m.ULID = foreign }, nil},
		"version":          {func(m *meta) { m.Version = 2 }, nil},
		"minTime above":    {func(m *meta) { m.MinTime++ }, []check.Kind{check.ManifestWrong, check.TimeWrong}},
		"maxTime below":    {func(m *meta) { m.MaxTime = base + 2*hour - minute }, []check.Kind{check.ManifestWrong, check.TimeWrong}},
		"times swapped":    {func(m *meta) { m.MinTime, m.MaxTime = m.MaxTime, m.MinTime }, []check.Kind{check.ManifestWrong, check.TimeWrong}},
		"numSamples":       {func(m *meta) { m.Stats.NumSamples++ }, nil},
		"numFloatSamples":  {func(m *meta) { m.Stats.NumFloatSamples++ }, nil},
		"numHistograms":    {func(m *meta) { m.Stats.NumHistogramSamples++ }, nil},
		"numSeries":        {func(m *meta) { m.Stats.NumSeries++ }, nil},
		"numChunks":        {func(m *meta) { m.Stats.NumChunks++ }, nil},
		"thanos.version":   {func(m *meta) { m.Thanos.Version = 2 }, nil},
		"other run":        {func(m *meta) { m.Thanos.Labels["run"] = "run-2" }, nil},
		"label changed":    {func(m *meta) { m.Thanos.Labels["branch"] = "dev" }, nil},
		"label too many":   {func(m *meta) { m.Thanos.Labels["more"] = "x" }, nil},
		"label without":    {func(m *meta) { m.Thanos.Labels["more"] = "" }, nil},
		"receiver label":   {func(m *meta) { m.Thanos.Labels["receiver"] = "x" }, nil},
		"no labels":        {func(m *meta) { m.Thanos.Labels = nil }, nil},
		"segment_files":    {func(m *meta) { m.Thanos.SegmentFiles = []string{"000002"} }, nil},
		"extension's run":  {func(m *meta) { m.Thanos.Extensions.Benchkeep.Run = "run-2" }, nil},
		"extension's path": {func(m *meta) { m.Thanos.Extensions.Benchkeep.Manifest = "x" }, nil},
		"file's size":      {func(m *meta) { m.Thanos.Files[0].SizeBytes++ }, []check.Kind{check.ManifestWrong, check.ObjectSize}},
		"file's hash":      {func(m *meta) { m.Thanos.Files[0].Hash.Value = strings.Repeat("0", 64) }, []check.Kind{check.ManifestWrong, check.ObjectHash}},
		"hash's function":  {func(m *meta) { m.Thanos.Files[0].Hash.Func = "MD5" }, []check.Kind{check.ManifestWrong}},
		"no hash":          {func(m *meta) { m.Thanos.Files[0].Hash = nil }, []check.Kind{check.ManifestWrong}},
		"file twice":       {func(m *meta) { m.Thanos.Files = append(m.Thanos.Files[:1:1], m.Thanos.Files...) }, []check.Kind{check.ManifestWrong}},
		"files not sorted": {func(m *meta) { slices.Reverse(m.Thanos.Files) }, []check.Kind{check.ManifestWrong}},
		"file outside": {func(m *meta) { m.Thanos.Files[0].RelPath = "../../../../etc/passwd" },
			[]check.Kind{check.IndexWrong, check.ManifestWrong, check.ObjectForeign, check.ObjectMissing}},
		"no index":     {func(m *meta) { m.Thanos.Files = m.Thanos.Files[:1] }, []check.Kind{check.ManifestWrong, check.ObjectForeign}},
		"no files":     {func(m *meta) { m.Thanos.Files = nil }, []check.Kind{check.ManifestWrong, check.ObjectForeign}},
		"hash of none": {func(m *meta) { m.Thanos.Files[1].Hash.Value = "" }, []check.Kind{check.ManifestWrong, check.ObjectHash}},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			w.editMeta(w.blocks()[0], c.lie)
			report := w.check()
			got := kinds(report)
			require.Subset(t, []check.Kind{check.MetaWrong}, slices.DeleteFunc(got, func(k check.Kind) bool { return slices.Contains(c.want, k) }), "%v", report.Findings)
			require.Subset(t, kinds(report), c.want, "%v", report.Findings)
			require.NotEmpty(t, report.Findings)
		})
	}
}

// TestManifestThatLies changes one field after the other. Nothing in the bucket
// tells what the fields say that are not here: who sent, what metrics mean.
func TestManifestThatLies(t *testing.T) {
	whole := twoWindows(t)
	for name, lie := range map[string]func(*archive.Manifest){
		"version":              func(m *archive.Manifest) { m.Version = 0 },
		"run":                  func(m *archive.Manifest) { m.Run = "run-2" },
		"part":                 func(m *archive.Manifest) { m.Part = foreign.String() },
		"state":                func(m *archive.Manifest) { m.State = "perfect" },
		"not complete":         func(m *archive.Manifest) { m.Complete = false },
		"complete":             func(m *archive.Manifest) { m.Received, m.Rejected = m.Received+1, map[string]int64{"too_old": 1} },
		"complete, and failed": func(m *archive.Manifest) { m.State = archive.StateFailed },
		"not finished":         func(m *archive.Manifest) { m.Finished = nil },
		"finished too early":   func(m *archive.Manifest) { *m.Finished = m.Started.Add(-time.Second) },
		"minTime":              func(m *archive.Manifest) { m.MinTime-- },
		"maxTime":              func(m *archive.Manifest) { m.MaxTime++ },
		"fewer series":         func(m *archive.Manifest) { m.Series-- },
		"more series":          func(m *archive.Manifest) { m.Series++ },
		"received":             func(m *archive.Manifest) { m.Received++ },
		"written":              func(m *archive.Manifest) { m.Written++ },
		"startTimestamps":      func(m *archive.Manifest) { m.StartTimestamps++ },
		"duplicates":           func(m *archive.Manifest) { m.Duplicates++ },
		"rejected":             func(m *archive.Manifest) { m.Rejected = map[string]int64{"too_old": 1} },
		"archived":             func(m *archive.Manifest) { m.Archived-- },
		"all counts alike": func(m *archive.Manifest) {
			m.Received, m.Written, m.Archived = m.Received+1, m.Written+1, m.Archived+1
			m.Blocks[0].Stats.NumSamples++
		},
		"block's minTime":         func(m *archive.Manifest) { m.Blocks[0].MinTime++ },
		"block's maxTime":         func(m *archive.Manifest) { m.Blocks[0].MaxTime-- },
		"block's numSamples":      func(m *archive.Manifest) { m.Blocks[0].Stats.NumSamples++ },
		"block's numFloatSamples": func(m *archive.Manifest) { m.Blocks[0].Stats.NumFloatSamples++ },
		"block's numHistograms":   func(m *archive.Manifest) { m.Blocks[0].Stats.NumHistogramSamples++ },
		"block's numSeries":       func(m *archive.Manifest) { m.Blocks[0].Stats.NumSeries++ },
		"block's numChunks":       func(m *archive.Manifest) { m.Blocks[0].Stats.NumChunks++ },
		"block's file size":       func(m *archive.Manifest) { m.Blocks[0].Files[0].SizeBytes++ },
		"block's file hash":       func(m *archive.Manifest) { m.Blocks[0].Files[0].Hash.Value = strings.Repeat("0", 64) },
		"block's files":           func(m *archive.Manifest) { m.Blocks[0].Files = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			w.editManifest(lie)
			report := w.check()
			require.Equal(t, []check.Kind{check.ManifestWrong}, kinds(report), "%v", report.Findings)
		})
	}
	t.Run("labels", func(t *testing.T) { // one of the two lies
		w := whole.clone(t)
		w.editManifest(func(m *archive.Manifest) { m.Labels["branch"] = "dev" })
		require.Equal(t, []check.Kind{check.MetaWrong}, kinds(w.check()))
	})
	t.Run("label run", func(t *testing.T) {
		w := whole.clone(t)
		w.editManifest(func(m *archive.Manifest) { m.Labels["run"] = "run-2" })
		require.Equal(t, []check.Kind{check.ManifestWrong, check.MetaWrong}, kinds(w.check()))
	})
	t.Run("lists a block that is not there", func(t *testing.T) {
		w := whole.clone(t)
		w.editManifest(func(m *archive.Manifest) {
			m.Blocks = append(m.Blocks, archive.Block{ULID: foreign, MinTime: base + 4*hour, MaxTime: base + 6*hour})
		})
		require.Equal(t, []check.Kind{check.BlockMissing}, kinds(w.check()))
	})
	t.Run("lists a block twice", func(t *testing.T) {
		w := whole.clone(t)
		w.editManifest(func(m *archive.Manifest) { m.Blocks = append(m.Blocks, m.Blocks[0]) })
		require.Equal(t, []check.Kind{check.ManifestWrong}, kinds(w.check()))
	})
	t.Run("does not list a block that is there", func(t *testing.T) {
		w := whole.clone(t)
		w.editManifest(func(m *archive.Manifest) { m.Blocks = m.Blocks[:1] })
		require.Equal(t, []check.Kind{check.BlockForeign, check.ManifestWrong}, kinds(w.check()))
	})
	t.Run("stands under another name", func(t *testing.T) {
		w := whole.clone(t)
		object := w.manifests()[0]
		w.put(strings.Replace(object, ".json", "x.json", 1), w.read(object))
		w.remove(object)
		require.Equal(t, []check.Kind{check.ManifestWrong, check.MetaWrong}, kinds(w.check()))
	})
}

// Findings are kept bounded: one cause can show in a million series.
func TestFindingsOfAKindAreBounded(t *testing.T) {
	w := newWorld(t)
	r := w.start()
	var series []sent
	for i := range 50 {
		series = append(series, sent{metric: "m" + strings.Repeat("x", i), times: every(minute, base, base+hour)})
	}
	write(t, r, series...)
	w.finish(r)
	block := w.blocks()[0]
	w.edit(archive.BlockObject(block, "chunks/000001"), func(b []byte) []byte {
		return append(b[:8], bytes.Repeat([]byte{1}, len(b)-8)...)
	})
	w.cover(block)
	report := w.check()
	require.Equal(t, []check.Kind{check.ChunkUnreadable}, kinds(report))
	require.Len(t, report.Findings, 11)
	require.Equal(t, "and 40 more of the kind", report.Findings[10].Detail)
	data, err := json.Marshal(report)
	require.NoError(t, err)
	require.Less(t, len(data), 16<<10)
}
