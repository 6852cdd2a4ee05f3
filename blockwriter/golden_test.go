package blockwriter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// goldenBase is the start of a 2h window, the same in every run of the tests.
const goldenBase = int64(1_735_689_600_000)

// TestGoldenFilesOfAFinishedRun holds meta.json and manifest, byte for byte,
// to what Thanos and other people's programs read. Run with -update after a
// change that is meant.
func TestGoldenFilesOfAFinishedRun(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	b := batch(
		sent{
			labels:  []string{"__name__", "requests_total", "branch", "dev", "job", "bench"},
			samples: []Sample{{Timestamp: goldenBase + minute, StartTimestamp: goldenBase, Value: 1}, at(goldenBase+2*minute, 2)},
			meta:    &Metadata{Type: 1, Help: []byte("Requests served.")},
		},
		sent{
			labels:     []string{"__name__", "latency_seconds", "job", "bench"},
			histograms: []Histogram{{Timestamp: goldenBase + minute, Int: goldenHistogram()}},
			meta:       &Metadata{Type: 3, Help: []byte("Latency."), Unit: []byte("seconds")},
		},
		sent{labels: []string{"job", "nameless"}, samples: []Sample{at(goldenBase+minute, 1)}},
	)
	b.Exemplars = 2
	_, err := r.Append(b)
	require.NoError(t, err)
	write(t, r, one("up", at(goldenBase+minute, 1)), one("up", at(goldenBase+minute, 1)))
	write(t, r, one("up", at(goldenBase+2*hour-1, 0)))
	w.finish(r)

	blocks := w.blocks()
	require.Len(t, blocks, 1)
	meta, err := os.ReadFile(filepath.Join(w.dir, blocks[0].ULID.String(), archive.MetaFile))
	require.NoError(t, err)
	requireGolden(t, "meta.golden.json", meta)
	manifest, err := os.ReadFile(filepath.Join(w.dir, filepath.FromSlash(w.manifest().Object())))
	require.NoError(t, err)
	requireGolden(t, "manifest.golden.json", manifest)
}

func goldenHistogram() *histogram.Histogram {
	h := tsdbutil.GenerateTestHistogram(1)
	h.CounterResetHint = histogram.UnknownCounterReset
	return h
}

var (
	anyULID = regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{26}`)
	anyTime = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
	anyHash = regexp.MustCompile(`"[0-9a-f]{64}"`)
)

// requireGolden compares with a file below testdata. ULIDs are replaced by
// numbers in order of appearance, times and hashes by what they are.
func requireGolden(t *testing.T, file string, data []byte) {
	t.Helper()
	var seen []string
	got := anyULID.ReplaceAllStringFunc(string(data), func(id string) string {
		if !slices.Contains(seen, id) {
			seen = append(seen, id)
		}
		return fmt.Sprintf("<ULID %d>", slices.Index(seen, id)+1)
	})
	got = anyTime.ReplaceAllString(got, `"<time>"`)
	got = anyHash.ReplaceAllString(got, `"<hash>"`) + "\n"
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
