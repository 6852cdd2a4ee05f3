package blockwriter

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tear leaves half a record at the end of a log, as a crash in the middle of a
// write does: a full record of 512 bytes is announced and 4 follow.
func tear(t *testing.T, dir string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "0*"))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	f, err := os.OpenFile(segments[len(segments)-1], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte{1, 2, 0, 1, 2, 3, 4, 'h', 'a', 'l', 'f'})
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestTornLogsLoseNothingThatWasAcknowledged(t *testing.T) {
	for name, logs := range map[string][]string{
		"in order":     {"wal"},
		"out of order": {"wbl"},
		"both":         {"wal", "wbl"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.open()
			want := stored{}
			for i := range int64(50) {
				newest, late := base+3*hour+i*1000, base+i*minute
				write(t, r, one("up", at(newest, 1), at(late, 2)))
				want.add(`{__name__="up", job="test"}`, newest, "1")
				want.add(`{__name__="up", job="test"}`, late, "2")
			}
			require.NoError(t, r.Close())
			for _, log := range logs {
				tear(t, filepath.Join(w.opts.Dir, tsdbDir, log))
			}
			r = w.open()
			require.EqualValues(t, want.count(), r.Status().Written)
			write(t, r, one("up", at(base+4*hour, 3)))
			want.add(`{__name__="up", job="test"}`, base+4*hour, "3")
			w.finish(r)
			require.Equal(t, want, w.read())
		})
	}
}

// TestKilledWhileLogsAreRemoved kills a process that has begun new logs while it
// removes the old ones, of which the write-ahead log has many segments.
func TestKilledWhileLogsAreRemoved(t *testing.T) {
	const segments, attempts = 500, 50
	source := newWorld(t)
	want := stored{}
	r := source.open()
	put(t, r, want, every(minute, base, base+hour)...)
	put(t, r, want, base+1) // late
	require.NoError(t, r.Close())
	for n := range segments {
		name := filepath.Join(source.opts.Dir, tsdbDir, "wal", fmt.Sprintf("%08d", 1+n))
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	for range attempts { // the moment is short
		w := source.copy()
		if finishAndKillWhileRemoving(t, w, segments) {
			w.opts.Resume = true
			w.finish(w.open())
			w.requireArchived(want, "")
			return
		}
	}
	t.Fatal("no process could be killed in the right moment")
}

// finishAndKillWhileRemoving finishes the world's run in a process of its own,
// and kills that when the write-ahead log has lost some of its segments.
func finishAndKillWhileRemoving(t *testing.T, w *world, segments int) (killed bool) {
	t.Helper()
	cmd := dying(t, w, dieNever, "")
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			return false
		default:
		}
		for _, log := range []string{"wal", "wal.gone"} {
			left, _ := os.ReadDir(filepath.Join(w.opts.Dir, tsdbDir, log)) // there may be none
			if len(left) < segments && len(left) > segments/10 {
				require.NoError(t, cmd.Process.Kill())
				<-done
				return true
			}
		}
	}
}
