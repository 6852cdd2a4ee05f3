package compare_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
	"github.com/benchkeep/benchkeep/archive/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an archive, and a cache for its blocks.
type world struct {
	*comparetest.Archive
	t     *testing.T
	cache *blockcache.Cache
}

func newWorld(t *testing.T) *world {
	cache, err := blockcache.Open(t.TempDir(), 1<<30)
	require.NoError(t, err)
	return &world{comparetest.New(t, t.TempDir()), t, cache}
}

func (w *world) catalogue() *archive.Catalogue {
	w.t.Helper()
	c, err := archive.ReadCatalogue(w.t.Context(), w.Bucket, archive.CatalogueOptions{})
	require.NoError(w.t, err)
	require.Empty(w.t, c.Problems)
	return c
}

// open opens a run as the command does.
func (w *world) open(ctx context.Context, run *archive.Run) (opened compare.Opened, err error) {
	if opened.Source, err = query.OpenLocal(ctx, w.cache, w.Bucket, run, nil); err != nil {
		return opened, err
	}
	opened.Metadata = map[string]archive.Metadata{}
	for _, p := range run.Parts {
		m, err := archive.ReadManifest(ctx, w.Bucket, p.Object)
		require.NoError(w.t, err)
		maps.Copy(opened.Metadata, m.Metrics)
	}
	return opened, nil
}

// compare compares, and wants no error.
func (w *world) compare(t *testing.T, base, fresh string, o compare.Options) *compare.Report {
	t.Helper()
	report, err := w.try(t, base, fresh, o)
	require.NoError(t, err)
	return report
}

func (w *world) try(t *testing.T, base, fresh string, o compare.Options) (*compare.Report, error) {
	t.Helper()
	if o.Alpha == 0 {
		o.Alpha, o.MinChange = 0.05, 0.05
	}
	require.NoError(t, o.Check())
	b, f, err := compare.Populations(w.catalogue(), base, fresh, 0, comparetest.Epoch.Add(100*24*time.Hour))
	require.NoError(t, err)
	return compare.Runs(t.Context(), b, f, w.open, o)
}

// moved are the titles of the rows that moved, with their verdicts.
func moved(r *compare.Report) map[string]compare.Verdict {
	titles := map[string]compare.Verdict{}
	for _, row := range r.Rows {
		if row.Verdict != compare.Unchanged && row.Verdict != compare.Undecided {
			titles[row.Title()] = row.Verdict
		}
	}
	return titles
}

func row(t *testing.T, r *compare.Report, title string) *compare.Row {
	t.Helper()
	var titles []string
	for _, row := range r.Rows {
		if row.Title() == title {
			return row
		}
		titles = append(titles, row.Title())
	}
	require.Contains(t, titles, title)
	return nil
}
