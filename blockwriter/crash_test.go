package blockwriter

import (
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
