package blockwriter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRestartAfterAGapBringsNothingBack has all of the run's blocks in the
// bucket and behind the reach of late samples, while the log still has what is
// in them.
func TestRestartAfterAGapBringsNothingBack(t *testing.T) {
	w := newWorld(t)
	w.opts.OutOfOrderWindow = time.Hour
	r := w.open()
	r.stopLoop()
	want := stored{}
	put := func(ts int64) {
		write(t, r, one("m", at(ts, float64(ts))))
		want.add(`{__name__="m", job="test"}`, ts, float(float64(ts)))
	}
	for ts := base; ts < base+2*hour; ts += 5 * minute {
		put(ts)
	}
	put(base + 6*hour) // after the gap
	require.NoError(t, r.Maintain(t.Context()))
	put(base + 6*hour + minute)
	require.NoError(t, r.Maintain(t.Context()))
	require.Len(t, w.blocks(), 1)
	require.NoError(t, r.Close())

	r = w.open()
	require.EqualValues(t, want.count(), r.Status().Written)
	w.finish(r)
	w.requireArchived(want, "")
}

// TestLateSamplesBefore1970AreRefused: the library would leave them out of every
// block, and the run could never be archived.
func TestLateSamplesBefore1970AreRefused(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	want := stored{}
	for _, ts := range []int64{-90 * minute, -10 * minute} {
		write(t, r, one("m", at(ts, 1)))
		want.add(`{__name__="m", job="test"}`, ts, float(1))
	}
	for _, metric := range []string{"m", "other"} {
		res := write(t, r, one(metric, at(-80*minute, 1)))
		require.Equal(t, 1, res.Rejected.Count, metric)
		require.Contains(t, res.Rejected.String(), "too_old")
	}
	w.finish(r)
	w.requireArchived(want, "")
}
