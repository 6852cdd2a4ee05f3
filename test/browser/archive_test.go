package browser

import (
	"bytes"
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
	"github.com/benchkeep/benchkeep/archive/compare/page"
	"github.com/benchkeep/benchkeep/archive/query"
)

// TestPageOfAnArchive looks at what was made of archived runs, and not of
// numbers for the purpose.
func TestPageOfAnArchive(t *testing.T) {
	a := comparetest.New(t, t.TempDir())
	a.Add("before", comparetest.Build{Labels: map[string]string{"branch": "main"}})
	a.Add("after", comparetest.Build{Labels: map[string]string{"branch": "slow-index"}, Slower: 1.2})
	catalogue, err := archive.ReadCatalogue(t.Context(), a.Bucket, archive.CatalogueOptions{})
	require.NoError(t, err)
	base, fresh, err := compare.Populations(catalogue, "before", "after", 0, time.Now())
	require.NoError(t, err)
	cache, err := blockcache.Open(t.TempDir(), 1<<30)
	require.NoError(t, err)
	report, err := compare.Runs(t.Context(), base, fresh, func(ctx context.Context, run *archive.Run) (opened compare.Opened, err error) {
		m, err := archive.ReadManifest(ctx, a.Bucket, run.Parts[0].Object)
		require.NoError(t, err)
		opened.Metadata = maps.Clone(m.Metrics)
		opened.Source, err = query.OpenLocal(ctx, cache, a.Bucket, run, nil)
		return opened, err
	}, compare.Options{Alpha: 0.05, MinChange: 0.05, Curves: true})
	require.NoError(t, err)
	var html bytes.Buffer
	require.NoError(t, page.WriteReport(&html, report))

	b := open(t, html.Bytes())
	b.until(drawn)
	require.Equal(t, "8 changes", b.text("h1"))
	var names []string
	for _, row := range report.Rows {
		names = append(names, row.Name)
	}
	require.Equal(t, names, b.texts("#rows .open"))
	is := b.colours("#row-0 .plot")
	require.Greater(t, is.Base, 100, "pixels of the base")
	require.Greater(t, is.New, 100, "pixels of the new run")
	b.screenshot("archive")
}
