package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
)

// TestCompareDoc runs every command that docs/compare.md shows, on the archive
// that it tells of, and compares what it prints.
func TestCompareDoc(t *testing.T) {
	path, err := filepath.Abs("../../docs/compare.md")
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	doc := string(data)
	comparedArchive(t)
	_, queries, found := strings.Cut(doc, "```yaml\n# queries.yaml\n")
	require.True(t, found)
	queries, _, _ = strings.Cut(queries, "```")
	require.NoError(t, os.WriteFile("queries.yaml", []byte(queries), 0o644))
	got := withOutputs(t, doc)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	require.Equal(t, doc, got, "run with -update, and look at what has changed")
}

// comparedArchive makes the archive of docs/compare.md, and goes to where it is
// used without a configuration.
func comparedArchive(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a := comparetest.New(t, embeddedBucket)
	add := func(id, branch, version string, slower float64) {
		a.Add(id, comparetest.Build{Labels: map[string]string{"branch": branch, "version": version}, Slower: slower})
	}
	for i := range 8 {
		add(fmt.Sprintf("nightly-%02d", i+1), "main", "1.4", 1)
	}
	add("pr-907-1", "slow-index", "1.4-pr", 1.2)
	add("pr-908-1", "comments", "1.4-pr", 1)
	for i := range 4 {
		add(fmt.Sprintf("nightly-%02d", i+9), "main", "1.5", 1.2)
	}
}
