package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
)

func TestCompareFlags(t *testing.T) {
	comparedArchive(t)
	for flags, want := range map[string]string{
		"":                                                      "want BASE and NEW",
		"nightly-01":                                            "want BASE and NEW",
		"nightly-01 nowhere":                                    `no run "nowhere" in the bucket`,
		"nightly nightly-01":                                    `runs begin with "nightly"`,
		"nightly-01 nightly-01":                                 "run nightly-01 is on both sides",
		"{branch=main} nightly-01":                              "{branch=main}\n          ^",
		`{branch="none"} nightly-01`:                            `no run matches {branch="none"}`,
		`{run="nightly-01"} nightly-01`:                         `no run but nightly-01 matches {run="nightly-01"}`,
		`{branch="main"} {version="1.4"}`:                       "is on both sides",
		"nightly-01 nightly-02 --min-change=5":                  "--min-change=5: want a percentage, as in 5%",
		"nightly-01 nightly-02 --fail-on=lots":                  "--fail-on: \"lots\": want",
		"pr-907 nightly-01 --fail-on=5%":                        `no run "pr-907" in the bucket; with --fail-on, name run pr-907-1 in full`,
		"nightly-01 nightly-02 --fail-on=regression":            "--fail-on=regression: nobody has said what is better",
		"nightly-01 nightly-02 --query=up":                      "--query: \"up\": want name=PROMQL",
		"nightly-01 nightly-02 --query=a=up{":                   "  up{\n     ^",
		"nightly-01 nightly-02 --queries=none.yaml":             "--queries: open none.yaml",
		"nightly-01 nightly-02 --query=a=up --query=a=up":       `two queries are named "a"`,
		"nightly-01 nightly-02 --query=a=up --by=job":           "--by is for metrics",
		"nightly-01 nightly-02 --query=a=nothing":               "a: no result in any run",
		"nightly-01 nightly-02 --from=1h":                       "--from=1h0m0s is not before the end of the longest run",
		"nightly-01 nightly-02 --cache.size=1KiB":               "--cache.size",
		"nightly-01 nightly-02 -o pdf":                          "-o pdf: want table, markdown, json or html",
		"nightly-01 nightly-02 -o html=":                        "-o html=: no file is named",
		"nightly-01 nightly-02 -o html -o json":                 "only one format can go to standard output",
		"nightly-01 nightly-02 -o json=no/such/folder":          "-o json=no/such/folder: open no/such/",
		"nightly-01 --history={branch=\"main\"} --query=a=up":   "--history is in place of BASE and NEW",
		"--history={branch=\"main\"}":                           "--history needs --query or --queries",
		"--history={branch=\"main\"} --query=a=up --fail-on=5%": "--fail-on judges NEW by BASE",
		"--history={branch=\"none\"} --query=a=up":              `--history: no run matches {branch="none"}`,
	} {
		t.Run(flags, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			out := printed(t, append([]string{"compare"}, strings.Fields(flags)...))
			require.Contains(t, out, want)
			require.True(t, strings.HasSuffix(out, "[exit code 1]\n"), out)
		})
	}
}

func TestCompareTellsOfLostBlocks(t *testing.T) {
	comparedArchive(t)
	bkt, err := archive.NewDirectoryBucket(embeddedBucket, 0o022)
	require.NoError(t, err)
	objects, err := archive.ManifestObjects(t.Context(), bkt, "nightly-03")
	require.NoError(t, err)
	m, err := archive.ReadManifest(t.Context(), bkt, objects[0])
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(embeddedBucket, m.Blocks[0].ULID.String())))
	out := printed(t, []string{"compare", `{branch="main"}`, "pr-908-1"})
	require.Contains(t, out, "nightly-03")
	require.True(t, strings.HasSuffix(out, "[exit code 2]\n"), out)
}

// TestCompareOutputs writes all formats at once, and looks whether names of
// others can do harm in them.
func TestCompareOutputs(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a := comparetest.New(t, embeddedBucket)
	hostile := map[string]string{"branch": "a|b`</script><img src=x>\x1b[31m"}
	a.Add("one", comparetest.Build{Labels: hostile})
	a.Add("two", comparetest.Build{Labels: hostile, Slower: 1.2})
	query := "--query=a|b`<i>\x1b=rate(http_request_duration_seconds_sum[$__rate_interval])"
	out := printed(t, []string{"compare", "one", "two", query, "--all", "-o", "table", "-o", "markdown=c.md", "-o", "json=c.json", "-o", "html=c.html"})
	require.Contains(t, out, "changed")
	require.NotContains(t, out, "\x1b")

	markdown, err := os.ReadFile("c.md")
	require.NoError(t, err)
	require.Contains(t, string(markdown), "| `a\\|b'<i> ` |", "a code span that ends where it is to")
	require.NotContains(t, string(markdown), "\x1b")

	var report struct {
		Rows []struct{ Name, Verdict string }
	}
	data, err := os.ReadFile("c.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &report))
	require.Len(t, report.Rows, 1)
	require.Equal(t, "a|b`<i>\x1b", report.Rows[0].Name)
	require.Equal(t, "changed", report.Rows[0].Verdict)
	require.NotContains(t, string(data), `"curves"`)

	html, err := os.ReadFile("c.html")
	require.NoError(t, err)
	require.NotContains(t, string(html), "<img src=x>")
	info, err := os.Stat("c.html")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o666)&^keepPrivate(), info.Mode().Perm(), "no more private than the user's files are")
}
