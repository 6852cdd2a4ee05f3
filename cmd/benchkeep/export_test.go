package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestExportFormats(t *testing.T) {
	inArchive(t)
	for format, begin := range map[string]string{
		"csv":         "metric,labels,timestamp,value,stale,count,sum,histogram\nhttp_request_duration_seconds,",
		"openmetrics": "# TYPE http_request_duration_seconds gauge\n# UNIT http_request_duration_seconds seconds\n# HELP ",
		"parquet":     "PAR1",
	} {
		out, errors, code := command(t, "export nightly-42 -o "+format)
		require.Zero(t, code, errors)
		require.Empty(t, errors)
		require.True(t, strings.HasPrefix(out, begin), "%.200s", out)

		path := filepath.Join(t.TempDir(), "samples")
		nothing, errors, code := command(t, "export nightly-42 -o "+format+" --output-file="+path)
		require.Zero(t, code, errors)
		require.Equal(t, "benchkeep: 1440 samples of 6 series are in "+path+"\n", errors)
		require.Empty(t, nothing)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, out, string(data))
		require.Len(t, entries(t, filepath.Dir(path)), 1)
		if format == "parquet" {
			file, err := parquet.OpenFile(strings.NewReader(out), int64(len(out)))
			require.NoError(t, err)
			require.EqualValues(t, 1440, file.NumRows())
			labels, _ := file.Lookup("benchkeep.labels")
			require.JSONEq(t, `{"branch":"main","commit":"c0ffee1","run":"nightly-42"}`, labels)
			start, _ := file.Lookup("benchkeep.start")
			require.Equal(t, "2025-01-15T21:00:00Z", start)
		}
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func TestExportBadInput(t *testing.T) {
	inArchive(t)
	for line, want := range map[string]string{
		"export":                                          "required argument 'run' not provided",
		"export nightly":                                  `2 runs begin with "nightly"`,
		"export nobody":                                   `no run "nobody"`,
		"export nightly-42 -o xml":                        "must be one of csv,parquet,openmetrics",
		"export nightly-42 --match='up{x='":               "--match: 1:6: parse error",
		"export nightly-42 --match='{code=200}'":          "\n  {code=200}\n        ^",
		"export nightly-42 --from=soon":                   `--from="soon": want a duration after the run's start`,
		"export nightly-42 --to=5":                        `--to="5": want a duration`,
		"export nightly-42 --from=2m --to=1m":             "--from is 1m0s after --to",
		"export nightly-42 --output-file=/no/way":         "--output-file=/no/way: ",
		"export nightly-42 --output-file=.":               "no regular file",
		"export nightly-42 --output-file=/dev/null":       "no regular file: leave the flag out",
		"export nightly-42 --block-dir=x -o csv":          "--block-dir takes whole blocks",
		"export nightly-42 --block-dir=x --match=up":      "--block-dir takes whole blocks",
		"export nightly-42 --block-dir=x --from=1m":       "--block-dir takes whole blocks",
		"export nightly-42 --block-dir=/dev/null":         "--block-dir: ",
		"export nightly-42 --cache.dir=/dev/null":         "--cache.dir=/dev/null has to be a folder",
		"export nightly-42 --block-dir=y --cache.size=1B": "--cache.size=1B allows: give at least",
	} {
		out, errors, code := command(t, line)
		require.Equal(t, exitBadUsage, code, line)
		require.Contains(t, errors, want, line)
		require.Empty(t, out, line)
	}
	require.NoDirExists(t, "x")
}

func TestExportOfNothing(t *testing.T) {
	inArchive(t)
	for format, want := range map[string]string{"csv": "metric,labels,timestamp,value,stale,count,sum,histogram\n", "openmetrics": "# EOF\n"} {
		out, errors, code := command(t, "export nightly-42 --match=missing -o "+format)
		require.Zero(t, code)
		require.Equal(t, want, out)
		require.Equal(t, "benchkeep: there is nothing to export: run nightly-42 has no samples of the kind at that time\n", errors)
	}
}

// A block that is damaged in the cache is fetched again, and all of the file is
// written anew.
func TestExportFromADamagedCache(t *testing.T) {
	inArchive(t)
	want, _, _ := command(t, "export nightly-42")
	spoil := func() {
		t.Helper()
		segment := filepath.Join(cachedBlocks(t)[0], "block", "chunks", "000001")
		data, err := os.ReadFile(segment)
		require.NoError(t, err)
		data[len(data)-20] ^= 1
		require.NoError(t, os.WriteFile(segment, data, 0o600))
	}
	spoil()
	_, errors, code := command(t, "export nightly-42 --output-file=samples.csv")
	require.Zero(t, code, errors)
	data, err := os.ReadFile("samples.csv")
	require.NoError(t, err)
	require.Equal(t, want, string(data))

	spoil()
	_, errors, code = command(t, "export nightly-42 --block-dir=blocks")
	require.Zero(t, code, errors)
	requireBlocks(t, "blocks", "nightly-42")
}

// requireBlocks checks that a folder has the blocks of a run that the bucket
// has, and nothing else.
func requireBlocks(t *testing.T, dir, run string) {
	t.Helper()
	bkt, err := archive.NewDirectoryBucket(embeddedBucket, 0o022)
	require.NoError(t, err)
	catalogue, err := archive.ReadCatalogue(t.Context(), bkt, archive.CatalogueOptions{})
	require.NoError(t, err)
	found, err := catalogue.Find(run, false)
	require.NoError(t, err)
	var names []string
	for _, b := range found.Blocks {
		names = append(names, b.ULID.String())
		for _, file := range []string{"index", "meta.json", "chunks/000001"} {
			want, err := os.ReadFile(filepath.Join(embeddedBucket, b.ULID.String(), file))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(dir, b.ULID.String(), file))
			require.NoError(t, err)
			require.Equal(t, want, got, file)
		}
	}
	require.ElementsMatch(t, names, entries(t, dir))
}

func TestExportBlockDir(t *testing.T) {
	inArchive(t)
	out, errors, code := command(t, "export nightly-42 --block-dir='my blocks'")
	require.Zero(t, code, errors)
	require.Contains(t, out, "1 block of run nightly-42 in my blocks, 1 of them new")
	require.Contains(t, out, "\n  prometheus --config.file=/dev/null --storage.tsdb.path='my blocks' --storage.tsdb.retention.time=100y\n")
	require.Contains(t, out, "{branch=main,commit=c0ffee1,run=nightly-42}\n")
	requireBlocks(t, "my blocks", "nightly-42")

	out, errors, code = command(t, "export nightly-42 --block-dir='my blocks'")
	require.Zero(t, code, errors)
	require.Contains(t, out, "0 of them new")

	// As a kill in the middle of it leaves the folder.
	block := filepath.Join("my blocks", entries(t, "my blocks")[0])
	require.NoError(t, os.Rename(block, block+".tmp-for-creation"))
	require.NoError(t, os.Remove(filepath.Join(block+".tmp-for-creation", "index")))
	out, errors, code = command(t, "export nightly-42 --block-dir='my blocks'")
	require.Zero(t, code, errors)
	require.Contains(t, out, "1 of them new")
	requireBlocks(t, "my blocks", "nightly-42")

	lock, _, err := fileutil.Flock("my blocks/lock")
	require.NoError(t, err)
	_, errors, code = command(t, "export nightly-42 --block-dir='my blocks'")
	require.Equal(t, exitBadUsage, code)
	require.Contains(t, errors, "--block-dir: lock my blocks, which a Prometheus or another export may be using")
	require.NoError(t, lock.Release()) // the file stays, as after a kill

	_, errors, code = command(t, "export nightly-41 --block-dir='my blocks'")
	require.Equal(t, exitBadUsage, code)
	require.Contains(t, errors, "--block-dir: my blocks has a block that is none of the run's, 01")
	require.NoError(t, os.Mkdir("my blocks/wal", 0o755))
	_, errors, code = command(t, "export nightly-42 --block-dir='my blocks'")
	require.Equal(t, exitBadUsage, code)
	require.Contains(t, errors, "--block-dir: my blocks has something else in it, wal: want an empty folder")

	require.NoError(t, os.MkdirAll("mine/notes", 0o755))
	_, _, code = command(t, "export nightly-42 --block-dir=mine")
	require.Equal(t, exitBadUsage, code)
	require.Equal(t, []string{"notes"}, entries(t, "mine"))
}

func TestExportOfADamagedRun(t *testing.T) {
	inArchive(t)
	damage(t, embeddedBucket)
	for _, line := range []string{"export nightly-42", "export nightly-42 --output-file=samples.csv", "export nightly-42 --block-dir=blocks"} {
		out, errors, code := command(t, line)
		require.Equal(t, exitNotSafe, code, line)
		require.Contains(t, errors, "it is damaged in the bucket", line)
		require.Empty(t, out)
	}
	require.NoFileExists(t, "samples.csv")
	require.Empty(t, entries(t, "blocks"))

	blocks, err := filepath.Glob(filepath.Join(embeddedBucket, "01*"))
	require.NoError(t, err)
	for _, b := range blocks {
		require.NoError(t, os.RemoveAll(b))
	}
	for line, want := range map[string]string{
		"export nightly-42":                    "blocks in the bucket",
		"export nightly-42 --block-dir=blocks": "run nightly-42 has no blocks of samples in the bucket",
	} {
		_, errors, code := command(t, line)
		require.Equal(t, exitNotSafe, code, line)
		require.Contains(t, errors, want, line)
	}
}

func TestExportOfARunThatGoesOn(t *testing.T) {
	bkt := inArchive(t)
	redate(t, bkt, "nightly-42", archive.StateRunning, exampleStart)
	objects, err := archive.ManifestObjects(t.Context(), bkt, "nightly-42")
	require.NoError(t, err)
	m, err := archive.ReadManifest(t.Context(), bkt, objects[0])
	require.NoError(t, err)
	m.Heartbeat = m.Heartbeat.AddDate(1000, 0, 0)
	require.NoError(t, archive.WriteManifest(t.Context(), bkt, m))
	out, errors, code := command(t, "export nightly-42 --match=up --from=-30s")
	require.Zero(t, code, errors)
	require.Contains(t, errors, "run nightly-42 goes on: this is what is in the bucket so far, up to ")
	require.Equal(t, 1+3, strings.Count(out, "\n"))
}

// What is printed cannot be taken back.
func TestStreamBeginsOnce(t *testing.T) {
	out := &streamOutput{to: io.Discard}
	require.NoError(t, out.Restart())
	require.NoError(t, out.Restart())
	_, err := out.Write([]byte("a line"))
	require.NoError(t, err)
	require.ErrorAs(t, out.Restart(), new(incompleteError))
}

func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"/var/lib/blocks-1.2_x": "/var/lib/blocks-1.2_x", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "": "''",
	} {
		require.Equal(t, want, shellWord(text))
	}
}
