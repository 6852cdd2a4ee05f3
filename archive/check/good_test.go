package check_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestRunsThatAreAsTheyShouldBe(t *testing.T) {
	for name, want := range map[string]struct {
		run             func(w *world)
		blocks          int
		series, samples int64
	}{
		"two windows": {func(w *world) { *w = *twoWindows(w.t) }, 2, 4, 604},
		"no samples":  {func(w *world) { w.finish(w.start()) }, 0, 0, 0},
		"one sample": {func(w *world) {
			r := w.start()
			write(w.t, r, sent{metric: "up", times: []int64{base + 2*hour - 1}})
			w.finish(r)
		}, 1, 1, 1},
		"late samples merged": {func(w *world) {
			r := w.start()
			write(w.t, r, sent{metric: "up", times: every(minute, base, base+4*hour)})
			require.NoError(w.t, r.Maintain(w.t.Context()))
			write(w.t, r, sent{metric: "late", times: every(minute, base+1, base+hour)})
			w.finish(r)
		}, 2, 2, 300},
		"two receivers at a time": {func(w *world) {
			first, second := w.start(), w.start()
			for _, r := range []*blockwriter.Run{first, second} {
				write(w.t, r, sent{metric: "up", times: every(minute, base, base+hour)})
				w.finish(r)
			}
		}, 2, 2, 120},
		"started again later": {func(w *world) {
			for i := range int64(2) {
				r := w.start()
				write(w.t, r, sent{metric: "up", times: every(minute, base+4*i*hour, base+(4*i+1)*hour)})
				w.finish(r)
			}
		}, 2, 2, 120},
		// The part learns that it has to keep apart once it has blocks already.
		"labels that change midway": {func(w *world) {
			first := w.start()
			write(w.t, first, sent{metric: "up", times: every(minute, base+4*hour, base+5*hour)})
			w.finish(first)
			second := w.start()
			write(w.t, second, sent{metric: "up", times: every(minute, base, base+4*hour)})
			require.NoError(w.t, second.Maintain(w.t.Context()))
			write(w.t, second, sent{metric: "up", times: every(minute, base+4*hour, base+5*hour)})
			w.finish(second)
		}, 4, 2, 360},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			want.run(w)
			report := w.check()
			require.Empty(t, report.Findings)
			require.Equal(t, check.Good, report.Verdict)
			require.Equal(t, archive.StateArchived, report.State)
			require.Equal(t, want.blocks, report.Blocks)
			require.Equal(t, want.series, report.Series)
			require.Equal(t, want.samples, report.Samples)
			require.Equal(t, w.dataBytes(), report.Bytes)
			require.Empty(t, report.Skipped)
		})
	}
}

// dataBytes is the size of all blocks but their meta.json.
func (w *world) dataBytes() (n int64) {
	for _, id := range w.blocks() {
		for _, f := range w.meta(id).Thanos.Files {
			n += f.SizeBytes
		}
	}
	return n
}

// A run that goes on, or that ended badly, is called so, and what it has in the
// bucket is checked all the same.
func TestRunsThatAreNotArchived(t *testing.T) {
	shipped := func(t *testing.T) *world {
		w := newWorld(t)
		r := w.start()
		write(t, r, sent{metric: "up", times: every(minute, base, base+4*hour)})
		require.NoError(t, r.Maintain(t.Context()))
		require.Len(t, w.blocks(), 1)
		require.NoError(t, r.Close())
		return w
	}
	silent := func(m *archive.Manifest) { m.Heartbeat = time.Now().Add(-archive.HeartbeatFresh) }
	failed := func(m *archive.Manifest) { m.State = archive.StateFailed }
	for state, edit := range map[archive.State]func(*archive.Manifest){
		archive.StateRunning:     func(*archive.Manifest) {},
		archive.StateInterrupted: silent,
		archive.StateFailed:      failed,
	} {
		t.Run(string(state), func(t *testing.T) {
			base := shipped(t)
			base.editManifest(edit)
			report := base.check()
			require.Empty(t, report.Findings)
			require.Equal(t, state, report.State)
			require.Equal(t, check.Verdict(state), report.Verdict)
			require.EqualValues(t, 120, report.Samples)

			t.Run("block not listed yet", func(t *testing.T) {
				w := base.clone(t)
				w.editManifest(func(m *archive.Manifest) { m.Blocks = nil })
				require.Empty(t, w.check().Findings)
			})
			t.Run("listed block not there", func(t *testing.T) {
				w := base.clone(t)
				w.remove(w.blocks()[0].String())
				report := w.check()
				if state == archive.StateRunning { // a merge replaces blocks
					require.Empty(t, report.Findings)
					return
				}
				require.Equal(t, []check.Kind{check.BlockMissing}, kinds(report))
			})
			t.Run("damage", func(t *testing.T) {
				w := base.clone(t)
				w.edit(archive.BlockObject(w.blocks()[0], archive.IndexFile), func(b []byte) []byte { b[20]++; return b })
				report := w.check()
				require.Contains(t, kinds(report), check.ObjectHash)
				require.Equal(t, check.Broken, report.Verdict)
				require.Equal(t, state, report.State)
			})
		})
	}
}
