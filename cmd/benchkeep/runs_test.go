package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"gopkg.in/yaml.v2"

	"github.com/benchkeep/benchkeep/archive"
)

// inArchive makes the archive of the docs the one in the working directory.
func inArchive(t *testing.T) objstore.Bucket {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	exampleArchive(t)
	bkt, err := archive.NewDirectoryBucket(embeddedBucket, 0o022)
	require.NoError(t, err)
	return bkt
}

// command runs a command line and gives what it printed, and its exit code.
func command(t *testing.T, line string) (out, errors string, code int) {
	t.Helper()
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	errors = captured(t, &os.Stderr, func() {
		out = captured(t, &os.Stdout, func() { code = run(words(line)) })
	})
	return out, errors, code
}

func listed(t *testing.T, line string) (ids []string) {
	t.Helper()
	out, errors, code := command(t, line+" -o json")
	require.Zero(t, code, errors)
	var rows []runRow
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	for _, r := range rows {
		ids = append(ids, r.Run)
	}
	return ids
}

func everything(t *testing.T) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(embeddedBucket, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func TestRunsListSelects(t *testing.T) {
	inArchive(t)
	for line, want := range map[string][]string{
		"runs list":                                         {"nightly-41", "pr-907-1", "pr-907-2", "nightly-42"},
		"runs list --limit=2":                               {"pr-907-2", "nightly-42"},
		"runs list --limit=9":                               {"nightly-41", "pr-907-1", "pr-907-2", "nightly-42"},
		"runs list --since=2025-01-15T09:00:00Z":            {"pr-907-2", "nightly-42"},
		"runs list --since=2025-01-15T10:00:00+01:00":       {"pr-907-2", "nightly-42"},
		"runs list --since=7d":                              nil,
		"runs list --since=100y":                            {"nightly-41", "pr-907-1", "pr-907-2", "nightly-42"},
		`runs list --selector='{branch!="main"}' --limit=1`: {"pr-907-2"},
		`runs list --selector='{branch="main"}' --scan`:     {"nightly-41", "nightly-42"},
		`runs --objstore.config='{type: FILESYSTEM, config: {directory: none}}' list`: nil,
		`runs list --objstore.config='{type: FILESYSTEM, config: {directory: none}}'`: nil,
	} {
		require.Equal(t, want, listed(t, line), line)
	}
	out, errors, code := command(t, "runs list --since=7d")
	require.Zero(t, code)
	require.Equal(t, 1, strings.Count(out, "\n"), "the head alone")
	require.Contains(t, errors, "no such run among the 4 of bucket fs: ")
}

func TestRunsListFormatsSayTheSame(t *testing.T) {
	inArchive(t)
	_, _, code := command(t, `runs note nightly-42 "two
lines, \"quoted\": yes"`)
	require.Zero(t, code)
	var asJSON, asYAML []map[string]any
	out, _, _ := command(t, "runs list -o json")
	require.NoError(t, json.Unmarshal([]byte(out), &asJSON))
	out, _, _ = command(t, "runs list -o yaml")
	require.NoError(t, yaml.Unmarshal([]byte(out), &asYAML))
	require.Equal(t, fmt.Sprint(asJSON[3]["notes"]), fmt.Sprint(asYAML[3]["notes"]))
	for i := range asJSON {
		require.Len(t, asYAML[i], len(asJSON[i]))
		for _, field := range []string{"run", "state", "started", "finished", "labels", "series", "samples", "bytes"} {
			a, y := asJSON[i][field], asYAML[i][field]
			require.Equal(t, fmt.Sprint(a), fmt.Sprint(y), field)
		}
	}
	out, _, _ = command(t, "runs list -o csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	require.Equal(t, "nightly-42", rows[4][0])
	require.Contains(t, rows[4][13], "two\nlines")
	out, _, _ = command(t, "runs list -o wide")
	require.Equal(t, 5, strings.Count(out, "\n"), "a note stays on its line")
	require.NotContains(t, out, "\x1b", "no colours but on a terminal")
}

func TestRunsShowInJSON(t *testing.T) {
	inArchive(t)
	out, errors, code := command(t, "runs show nightly-42 -o json --grafana.url=https://grafana.example.com/sub/")
	require.Zero(t, code, errors)
	var d runDetails
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	require.Equal(t, "nightly-42", d.Run)
	require.Len(t, d.Manifests, 1)
	require.Equal(t, d.Samples, d.Manifests[0].Archived)
	require.Equal(t, blockCurrent, d.Stored[0].Status)
	require.Equal(t, metricRow{"http_requests_total", "counter", "Requests answered, by status code.", "", 4}, d.Metrics[1])
	require.True(t, strings.HasPrefix(d.Links.Grafana, "https://grafana.example.com/sub/explore?"), d.Links.Grafana)
}

// A block that is damaged keeps nobody from seeing the rest.
func TestRunsShowOfADamagedRun(t *testing.T) {
	inArchive(t)
	indexes, err := filepath.Glob(filepath.Join(embeddedBucket, "*", archive.IndexFile))
	require.NoError(t, err)
	for _, index := range indexes {
		require.NoError(t, os.Truncate(index, 20))
	}
	out, errors, code := command(t, "runs show nightly-42")
	require.Equal(t, exitNotSafe, code)
	require.Contains(t, out, "http_requests_total")
	require.Contains(t, errors, "index: the index is broken")
}

func TestBrokenManifestIsReportedAndTheOthersListed(t *testing.T) {
	bkt := inArchive(t)
	object := archive.ManifestObject("nightly-43", "part")
	require.NoError(t, bkt.Upload(t.Context(), object, strings.NewReader(`{"version": 1, `)))
	out, errors, code := command(t, "runs list -o csv")
	require.Equal(t, exitNotSafe, code)
	require.Equal(t, 5, strings.Count(out, "\n"))
	require.Contains(t, errors, object+" cannot be read: unexpected end of JSON input\n")
	require.Contains(t, errors, "not everything could be read: 1 object\n")

	_, errors, code = command(t, "runs show nightly-43")
	require.Equal(t, exitNotSafe, code)
	require.Contains(t, errors, object)
	_, _, code = command(t, "runs show nightly-42")
	require.Zero(t, code, "another run is none of its business")
	_, _, code = command(t, "runs prune --older-than=1s")
	require.Equal(t, exitNotSafe, code)
	_, errors, code = command(t, "runs rm nightly-43 --yes")
	require.Zero(t, code, errors)
	_, errors, code = command(t, "runs list")
	require.Zero(t, code, errors)
}

func TestRunsCacheIsNoDuty(t *testing.T) {
	inArchive(t)
	hourAgo := time.Now().Add(-time.Hour)
	for _, path := range everything(t) {
		require.NoError(t, os.Chtimes(path, hourAgo, hourAgo))
	}
	want := listed(t, "runs list")
	caches, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "benchkeep", "*"))
	require.NoError(t, err)
	require.Len(t, caches, 1)
	info, err := os.Stat(caches[0])
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "labels may be nobody else's business")

	t.Setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
	out, errors, code := command(t, "runs list -o csv")
	require.Zero(t, code)
	require.Empty(t, errors)
	require.Equal(t, len(want)+1, strings.Count(out, "\n"))

	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	require.Equal(t, want, listed(t, "runs list"))
}

func TestDeletionsAreDryUntilToldOtherwise(t *testing.T) {
	inArchive(t)
	before := everything(t)
	require.Equal(t, []string{"pr-907-1"}, listed(t, "runs rm pr-907-1"))
	require.Equal(t, []string{"nightly-41", "pr-907-1", "pr-907-2"}, listed(t, "runs prune --keep-last=1"))
	require.Equal(t, before, everything(t))
	require.Equal(t, []string{"nightly-41"}, listed(t, `runs prune --selector='{branch="main"}' --keep-last=1 --yes`))
	require.Equal(t, []string{"pr-907-1", "pr-907-2", "nightly-42"}, listed(t, "runs list"))
	for _, path := range everything(t) {
		require.NotContains(t, path, "nightly-41")
	}
	require.Len(t, everything(t), len(before)*3/4)
	require.Nil(t, listed(t, `runs prune --selector='{branch="main"}' --keep-last=1 --yes`))
}

func TestRunningRunIsNotDeleted(t *testing.T) {
	bkt := inArchive(t)
	redate(t, bkt, "pr-907-2", archive.StateRunning, time.Now())
	before := everything(t)
	_, errors, code := command(t, "runs rm pr-907-2 --yes")
	require.Equal(t, exitBadUsage, code)
	require.Contains(t, errors, "run pr-907-2: the run is running")
	require.NotContains(t, listed(t, "runs prune --older-than=0s"), "pr-907-2")
	require.Equal(t, before, everything(t))
}

// TestUnfinishedDeletion finds what a process that was killed has left.
func TestUnfinishedDeletion(t *testing.T) {
	for _, completing := range []string{"runs rm pr-907-1 --yes", "runs prune --older-than=100y --yes"} {
		t.Run(completing, func(t *testing.T) {
			bkt := inArchive(t)
			catalogue, err := archive.ReadCatalogue(t.Context(), bkt, archive.CatalogueOptions{})
			require.NoError(t, err)
			r, err := catalogue.Find("pr-907-1", false)
			require.NoError(t, err)
			d, err := catalogue.Deletion(r, time.Now())
			require.NoError(t, err)
			record, err := json.Marshal(d)
			require.NoError(t, err)
			require.NoError(t, bkt.Upload(t.Context(), "benchkeep/runs/pr-907-1/deletion", strings.NewReader(string(record))))

			out, errors, code := command(t, "runs list --scan")
			require.Zero(t, code)
			require.NotContains(t, out, "pr-907-1")
			require.Contains(t, errors, "`benchkeep runs rm pr-907-1 --yes` completes it")
			_, errors, code = command(t, strings.TrimSuffix(completing, " --yes"))
			require.Zero(t, code)
			require.Contains(t, errors, "dry run; with --yes would be deleted: 0 runs, and what is left of 1 run deleted before")
			_, errors, code = command(t, completing)
			require.Zero(t, code, errors)
			_, errors, _ = command(t, "runs list")
			require.Empty(t, errors)
			for _, path := range everything(t) {
				require.NotContains(t, path, "pr-907-1")
				require.NotContains(t, path, r.Blocks[0].ULID.String())
			}
		})
	}
}

func TestRunsBadInput(t *testing.T) {
	inArchive(t)
	before := everything(t)
	for line, want := range map[string]string{
		"runs":                                          "must select a subcommand",
		"runs list --limit=-1":                          "--limit=-1: want 0 (all) or more",
		"runs list --limit=x":                           "--limit=x: ",
		"runs list -o xml":                              "must be one of table,wide,json,yaml,csv",
		"runs show nightly":                             `2 runs begin with "nightly": nightly-41, nightly-42`,
		"runs show":                                     "required argument 'run' not provided",
		"runs show nightly-42 -o csv":                   "must be one of table,wide,json,yaml",
		"runs show pr-907-1 --grafana.url=x":            "--grafana.url=x: want a URL",
		"runs rm 907 --yes":                             "is it pr-907-1, pr-907-2?",
		"runs prune --yes":                              "say what to let go with --older-than, --keep-last or --selector",
		"runs prune --keep-last=-1":                     "--keep-last=-1: want 0 or more",
		"runs prune --older-than=x":                     "--older-than=x: want an age",
		"runs prune --keep-selector='{x' --keep-last=1": "--keep-selector: 1:3: parse error",
		"runs label nightly-42 verdict":                 `label "verdict": want name=value`,
		"runs label nobody a=b":                         `no run "nobody"`,
		`runs note nightly-42 ""`:                       "there is nothing to add",
		"runs list --objstore.config=x --objstore.config-file=y": "exclude each other",
		"runs list --objstore.config-file=missing.yaml":          "--objstore.config-file: open missing.yaml",
	} {
		out, errors, code := command(t, line)
		require.Equal(t, exitBadUsage, code, line)
		require.Contains(t, errors, want, line)
		require.NotContains(t, out, "RUN", line)
	}
	require.Equal(t, before, everything(t))
}

func TestBucketWithoutPermission(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`)
	}))
	defer server.Close()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("BENCHKEEP_OBJSTORE_CONFIG", fmt.Sprintf(
		"type: S3\nconfig: {bucket: results, endpoint: %q, insecure: true, access_key: me, secret_key: hush, region: here}", strings.TrimPrefix(server.URL, "http://")))
	for _, line := range []string{"runs list", "runs show x", "runs rm x --yes", "runs prune --keep-last=1 --yes", "runs label x a=b"} {
		out, errors, code := command(t, line)
		require.Equal(t, exitBadUsage, code, line)
		require.Contains(t, errors, "bucket results, see --objstore.config-file: these credentials do not suffice", line)
		require.NotContains(t, out+errors, "hush")
	}
}
