package check_test

import (
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

// compact makes one block of several, and a meta.json for it as Thanos'
// Compactor does: without hashes. Those it was made of stay.
func (w *world) compact(ids ...ulid.ULID) ulid.ULID {
	w.t.Helper()
	compactor, err := tsdb.NewLeveledCompactor(w.t.Context(), nil, promslog.NewNopLogger(), []int64{2 * hour, 8 * hour}, chunkenc.NewPool(), nil)
	require.NoError(w.t, err)
	var dirs []string
	for _, id := range ids {
		dirs = append(dirs, w.path(id.String()))
	}
	made, err := compactor.Compact(w.dir, dirs, nil)
	require.NoError(w.t, err)
	require.Len(w.t, made, 1)
	w.remove(archive.BlockObject(made[0], "tombstones"))
	thanos := w.meta(ids[0]).Thanos
	w.editMeta(made[0], func(m *meta) {
		m.Thanos = thanos
		m.Thanos.Source, m.Thanos.Version = "compactor", 0
		for i, f := range m.Thanos.Files {
			if f.RelPath != archive.MetaFile {
				m.Thanos.Files[i] = archive.File{RelPath: f.RelPath, SizeBytes: int64(len(w.read(archive.BlockObject(made[0], f.RelPath))))}
			}
		}
	})
	return made[0]
}

// downsampled makes a block as Thanos' downsampling does, as far as a reader of
// objects and index can tell: its chunks have an encoding of Thanos' own.
func (w *world) downsampled(from, to ulid.ULID) {
	w.t.Helper()
	w.copyBlock(from, to, func(m *meta) {
		m.Thanos.Downsample.Resolution, m.Thanos.Source = 300_000, "compactor"
		m.Compaction.Sources = w.meta(from).Compaction.Sources
		m.Stats.NumSamples /= 5
	})
	w.edit(archive.BlockObject(to, "chunks/000001"), func(b []byte) []byte { b[9] = 0xff; return b })
	w.cover(to)
}

func (w *world) mark(id ulid.ULID) {
	w.put(archive.BlockObject(id, archive.DeletionMarkFile), []byte(`{"version": 1}`))
}

func TestRunsThatThanosHasWorkedOn(t *testing.T) {
	whole := twoWindows(t)
	first, second := whole.blocks()[0], whole.blocks()[1]
	both := whole.compact(first, second)
	for name, c := range map[string]struct {
		prepare func(w *world)
		blocks  int
		skipped []string
		want    []check.Kind
	}{
		"sources still there":  {func(*world) {}, 1, []string{"superseded by " + both.String(), "superseded by " + both.String()}, nil},
		"sources marked":       {func(w *world) { w.mark(first); w.mark(second) }, 1, []string{"marked for deletion", "marked for deletion"}, nil},
		"sources gone":         {func(w *world) { w.remove(first.String()); w.remove(second.String()) }, 1, nil, nil},
		"sources half gone":    {func(w *world) { w.remove(first.String() + "/meta.json"); w.remove(second.String()) }, 1, []string{"what a deletion or an upload under way has left"}, nil},
		"compacted one marked": {func(w *world) { w.mark(both) }, 2, []string{"marked for deletion"}, nil},
		"all marked": {func(w *world) { w.mark(first); w.mark(second); w.mark(both) }, 0,
			[]string{"marked for deletion", "marked for deletion", "marked for deletion"}, []check.Kind{check.BlockMissing}},
		"compacted of something else": {func(w *world) {
			w.editMeta(both, func(m *meta) { m.Compaction.Sources = []ulid.ULID{foreign} })
		}, 3, nil, []check.Kind{check.BlockForeign, check.BlockOverlap}},
		"compacted block of fewer samples": {func(w *world) {
			alone := w.compact(first)
			w.editMeta(alone, func(m *meta) { m.MaxTime = w.meta(second).MaxTime })
			for _, id := range []ulid.ULID{first, second, both} {
				w.remove(id.String())
			}
		}, 1, nil, []check.Kind{check.ManifestWrong}},
		"compacted block damaged": {func(w *world) {
			w.edit(archive.BlockObject(both, "chunks/000001"), func(b []byte) []byte { b[100] ^= 1; return b })
		}, 1, []string{"superseded by " + both.String(), "superseded by " + both.String()}, []check.Kind{check.ChunkUnreadable}},
		"compacted again": {func(w *world) {
			again := w.compact(both)
			w.editMeta(again, func(m *meta) { m.Compaction.Parents = nil })
			for _, id := range []ulid.ULID{first, second, both} {
				w.remove(id.String())
			}
		}, 1, nil, nil},
		"downsampled": {func(w *world) { w.downsampled(both, foreign) }, 2, []string{
			"superseded by " + both.String(), "superseded by " + both.String(),
			"downsampled to 300000 ms: objects and index are checked, samples are not",
		}, nil},
		"downsampled, and damaged": {func(w *world) {
			w.downsampled(both, foreign)
			w.edit(archive.BlockObject(foreign, "index"), func(b []byte) []byte { b[20] ^= 1; return b })
		}, 2, nil, []check.Kind{check.IndexUnreadable, check.ObjectHash}},
		"only downsampled left": {func(w *world) {
			w.downsampled(both, foreign)
			for _, id := range []ulid.ULID{first, second, both} {
				w.remove(id.String())
			}
		}, 1, nil, []check.Kind{check.BlockMissing}},
		"downsampled, of another time": {func(w *world) {
			w.downsampled(both, foreign)
			w.editMeta(foreign, func(m *meta) { m.MinTime, m.MaxTime = base+10*hour, base+12*hour })
		}, 2, nil, []check.Kind{check.BlockForeign}},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			c.prepare(w)
			report := w.check()
			require.Equal(t, c.want, kinds(report), "%v", report.Findings)
			require.Equal(t, c.blocks, report.Blocks)
			if c.want == nil {
				require.EqualValues(t, 604, report.Samples)
				require.EqualValues(t, 4, report.Series)
			}
			if c.want == nil || c.skipped != nil {
				var why []string
				for _, s := range report.Skipped {
					why = append(why, s.Why)
				}
				slices.Sort(why)
				slices.Sort(c.skipped)
				require.Equal(t, c.skipped, why)
			}
		})
	}
}

// Blocks of several parts with the same labels become one, whose samples are
// those of all.
func TestPartsThatACompactionHasPutTogether(t *testing.T) {
	w := newWorld(t)
	for i := range int64(2) {
		r := w.start()
		write(t, r, sent{metric: "up", times: every(minute, base+2*i*hour, base+(2*i+2)*hour)}, sent{metric: []string{"old", "new"}[i], times: []int64{base + 2*i*hour}})
		w.finish(r)
	}
	ids := w.blocks()
	require.Len(t, ids, 2)
	w.compact(ids...)
	for _, id := range ids {
		w.remove(id.String())
	}
	report := w.check()
	require.Empty(t, report.Findings)
	require.EqualValues(t, 242, report.Samples)
	require.EqualValues(t, 3, report.Series)

	w.editManifest(func(m *archive.Manifest) {
		m.Received, m.Written, m.Archived = m.Received+1, m.Written+1, m.Archived+1
		m.Blocks[0].Stats.NumSamples++
	})
	require.Equal(t, []check.Kind{check.ManifestWrong}, kinds(w.check()))
}
