package blockwriter

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// every gives the times between from and to, without to, one each step.
func every(step, from, to int64) (times []int64) {
	for ts := from; ts < to; ts += step {
		times = append(times, ts)
	}
	return times
}

// put writes a sample of the one series of a test at each of the times, and
// notes it down.
func put(t *testing.T, r *Run, want stored, times ...int64) {
	t.Helper()
	for _, ts := range times {
		res := write(t, r, one("m", at(ts, float64(ts))))
		require.Zero(t, res.Rejected.Count, res.Rejected.String())
		want.add(`{__name__="m", job="test"}`, ts, float(float64(ts)))
	}
}

// TestRestartAfterAGapBringsNothingBack has a gap in the data so long that blocks
// are in the bucket, behind the reach of late samples, and given up, while the
// database's logs still have what is in them.
func TestRestartAfterAGapBringsNothingBack(t *testing.T) {
	for name, tc := range map[string]struct{ late, gap, after []int64 }{
		"in the write-ahead log": {
			gap: []int64{base + 6*hour}, after: []int64{base + 6*hour + minute},
		},
		"and the newest local block has late samples only": {
			gap: []int64{base + 6*hour, base + 5*hour + 30*minute},
		},
		"in chunks of late samples": {
			late: every(1, base+100*minute+1, base+100*minute+41), // more than fit one chunk
			gap:  append(every(10_000, base+5*hour+30*minute, base+6*hour+30*minute), base+8*hour+50*minute), after: []int64{base + 8*hour + 51*minute},
		},
		"in chunks of late samples, and more come": {
			late: []int64{base + 100*minute + 1},
			gap:  []int64{base + 6*hour}, after: []int64{base + 6*hour + minute, base + 6*hour + 1},
		},
	} {
		for _, fenced := range []bool{false, true} { // behind the fence there are no new logs
			t.Run(fmt.Sprintf("%s, fenced %v", name, fenced), func(t *testing.T) {
				w := newWorld(t)
				w.opts.OutOfOrderWindow = time.Hour
				r := w.open()
				r.stopLoop()
				want := stored{}
				put(t, r, want, every(5*minute, base, base+2*hour)...)
				put(t, r, want, tc.late...)
				put(t, r, want, tc.gap...)
				require.NoError(t, r.Maintain(t.Context()))
				put(t, r, want, tc.after...)
				require.NoError(t, r.Maintain(t.Context()))
				require.Len(t, r.rec.Dropped, 1)
				if fenced {
					r.fence(t.Context(), TriggerSignal)
				}
				r = w.restart(r)
				require.EqualValues(t, want.count(), r.Status().Written)
				w.finish(r)
				w.requireArchived(want, "")
			})
		}
	}
}

// TestLateSamplesOfAGivenUpBlockAreRefused also where the head would take them: a
// restart may come with a longer --ooo.window.
func TestLateSamplesOfAGivenUpBlockAreRefused(t *testing.T) {
	w := newWorld(t)
	w.opts.OutOfOrderWindow = time.Hour
	r := w.open()
	r.stopLoop()
	want := stored{}
	put(t, r, want, every(5*minute, base, base+2*hour)...)
	put(t, r, want, base+6*hour)
	require.NoError(t, r.Maintain(t.Context()))
	require.Len(t, r.rec.Dropped, 1)

	w.opts.OutOfOrderWindow = 24 * time.Hour
	r = w.restart(r)
	res := write(t, r, one("m", at(base+1, 1), at(base+2*hour-1, 1)))
	require.Equal(t, 2, res.Rejected.Count)
	require.Contains(t, res.Rejected.String(), "too_old")
	put(t, r, want, base+2*hour)
	w.finish(r)
	w.requireArchived(want, "")
}

// TestABlockStays where it is behind the reach of late samples, and others go,
// but it still is to be merged or uploaded.
func TestABlockStays(t *testing.T) {
	for name, tc := range map[string]struct {
		ooo  time.Duration
		live func(w *world, r *Run, want stored) *Run
	}{
		"while a late sample for it is in memory": {20 * time.Minute, func(w *world, r *Run, want stored) *Run {
			put(w.t, r, want, every(5*minute, base, base+2*hour+10*minute)...)
			r = w.restart(r) // which cuts it
			put(w.t, r, want, base+2*hour-1)
			put(w.t, r, want, base+4*hour+30*minute)
			return r
		}},
		"while a late sample for it is in another block": {3 * time.Hour, func(w *world, r *Run, want stored) *Run {
			put(w.t, r, want, every(5*minute, base, base+3*hour+10*minute)...)
			require.NoError(w.t, r.Maintain(w.t.Context()))
			put(w.t, r, want, base+hour+1)
			put(w.t, r, want, base+8*hour)
			compactor := r.pause.compactor
			r.pause.compactor = &failingCompactor{Compactor: compactor}
			require.ErrorIs(w.t, r.Maintain(w.t.Context()), errDisturbed)
			r.pause.compactor = compactor
			return r
		}},
		"while the rest of its window is in memory": {10 * time.Minute, func(w *world, r *Run, want stored) *Run {
			put(w.t, r, want, every(5*minute, base-hour, base+90*minute)...)
			r = w.restart(r)
			put(w.t, r, want, every(5*minute, base+90*minute, base+4*hour+20*minute)...)
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.OutOfOrderWindow = tc.ooo
			r := w.open()
			r.stopLoop()
			want := stored{}
			r = tc.live(w, r, want)
			shipped := len(w.blocks())
			require.NoError(t, r.Maintain(t.Context()))
			require.Greater(t, len(w.blocks()), shipped)
			w.finish(r)
			w.requireArchived(want, "")
		})
	}
}
