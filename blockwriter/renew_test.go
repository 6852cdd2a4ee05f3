package blockwriter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWhatComesAfterNewLogsIsNotTooOld begins new logs in the middle of a window
// that has late samples, with a shorter --ooo.window than what is left of it.
func TestWhatComesAfterNewLogsIsNotTooOld(t *testing.T) {
	for name, renew := range map[string]func(w *world, r *Run) *Run{
		"a restart": (*world).restart,
		"two restarts": func(w *world, r *Run) *Run {
			r = w.restart(r)
			write(w.t, r, one("other", at(base+29*minute, 1), at(base+28*minute, 1)))
			return w.restart(r)
		},
		"a failed log": func(w *world, r *Run) *Run {
			r.logFailed = true
			require.NoError(w.t, r.Maintain(w.t.Context()))
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.OutOfOrderWindow = 10 * time.Minute
			r := w.open()
			r.stopLoop()
			want := stored{}
			put(t, r, want, every(minute, base, base+30*minute)...)
			put(t, r, want, base+25*minute+1) // late
			r = renew(w, r)
			put(t, r, want, every(minute, base+30*minute, base+4*hour)...)
			require.NoError(t, r.Maintain(t.Context()))
			w.finish(r)
			require.Equal(t, want[`{__name__="m", job="test"}`], w.read()[`{__name__="m", job="test"}`])
		})
	}
}
