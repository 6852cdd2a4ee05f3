package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter"
)

var update = flag.Bool("update", false, "write the outputs into the docs instead of comparing with them")

// exampleStart is when the first run of the docs begins.
var exampleStart = time.Date(2025, 1, 14, 9, 0, 0, 0, time.UTC)

// TestDocumentedCommands runs every command that a document shows, in order, on
// one archive, and compares what it prints.
func TestDocumentedCommands(t *testing.T) {
	for _, name := range []string{"archive-commands.md", "query.md", "export.md"} {
		t.Run(name, func(t *testing.T) {
			path, err := filepath.Abs("../../docs/" + name)
			require.NoError(t, err)
			doc, err := os.ReadFile(path)
			require.NoError(t, err)
			t.Chdir(t.TempDir())
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			exampleArchive(t)
			got := withOutputs(t, string(doc))
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(doc), got, "run with -update, and look at what has changed")
		})
	}
}

// withOutputs is a document with what its commands print in place of what it
// says they do.
func withOutputs(t *testing.T, doc string) string {
	t.Helper()
	steady := steadier{ids: map[string]string{}}
	return regexp.MustCompile("(?s)```\n\\$ benchkeep .*?```\n").ReplaceAllStringFunc(doc, func(example string) string {
		out := "```\n"
		for line := range strings.Lines(example) {
			command, isCommand := strings.CutPrefix(line, "$ benchkeep ")
			if !isCommand {
				continue
			}
			if out != "```\n" {
				out += "\n"
			}
			out += line + steady.text(printed(t, words(command)))
		}
		return out + "```\n"
	})
}

// printed is what a command prints, and its exit code if that is not 0.
func printed(t *testing.T, args []string) string {
	t.Helper()
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	code := 0
	var out string
	errors := captured(t, &os.Stderr, func() {
		out = captured(t, &os.Stdout, func() { code = run(args) })
	})
	out += errors
	if code != 0 {
		out += fmt.Sprintf("[exit code %d]\n", code)
	}
	return out
}

// words splits a command as a shell does that knows quotes and nothing else.
func words(command string) (args []string) {
	quoted := regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`)
	for _, word := range quoted.FindAllString(command, -1) {
		args = append(args, regexp.MustCompile(`'([^']*)'|"([^"]*)"`).ReplaceAllString(word, "$1$2"))
	}
	return args
}

// steadier replaces what differs from one test run to the next: ULIDs, and the
// present time.
type steadier struct{ ids map[string]string }

func (s steadier) text(printed string) string {
	printed = regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`).ReplaceAllStringFunc(printed, func(id string) string {
		if s.ids[id] == "" {
			s.ids[id] = fmt.Sprintf("01JHHV00000000000000%06d", len(s.ids)+1)
		}
		return s.ids[id]
	})
	return regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`).ReplaceAllStringFunc(printed, func(text string) string {
		if at, err := time.Parse(time.RFC3339, text); err == nil && time.Since(at) < time.Hour {
			return "2025-01-17T08:00:00Z"
		}
		return text
	})
}

// exampleArchive is the archive of the docs, in the directory that is used
// without a configuration.
func exampleArchive(t *testing.T) {
	t.Helper()
	bkt, err := archive.NewDirectoryBucket(embeddedBucket, 0o022)
	require.NoError(t, err)
	for i, r := range []struct {
		id     string
		labels map[string]string
		state  archive.State
	}{
		{"nightly-41", map[string]string{"branch": "main", "commit": "4be1f02"}, archive.StateArchived},
		{"pr-907-1", map[string]string{"branch": "faster-index", "commit": "9d00c1e"}, archive.StateArchived},
		{"pr-907-2", map[string]string{"branch": "faster-index", "commit": "77a6b3d"}, archive.StateRunning},
		{"nightly-42", map[string]string{"branch": "main", "commit": "c0ffee1"}, archive.StateArchived},
	} {
		begin := exampleStart.Add(time.Duration(i) * 12 * time.Hour)
		exampleRun(t, bkt, r.id, r.labels, begin)
		redate(t, bkt, r.id, r.state, begin)
	}
}

// exampleRun archives a run of an hour with a few metrics.
func exampleRun(t *testing.T, bkt objstore.Bucket, id string, labels map[string]string, begin time.Time) {
	t.Helper()
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: id, Labels: labels,
		Receiver: archive.Receiver{Version: "1.0.0", Host: "ci-runner-7"},
	})
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context()))
	t.Cleanup(func() { r.Close() })
	var series exampleSeries
	for i := range 4 {
		series = append(series, []string{"__name__", "http_requests_total", "code", fmt.Sprint(200 + i)})
	}
	series = append(series, []string{"__name__", "http_request_duration_seconds"}, []string{"__name__", "up"})
	for at := time.Duration(0); at < time.Hour; at += 15 * time.Second {
		b := &blockwriter.Batch{Labels: series, Sender: "Prometheus/3.16.0", Metadata: []blockwriter.Metadata{
			{Name: []byte("http_requests_total"), Type: 1, Help: []byte("Requests answered, by status code.")},
			{Name: []byte("http_request_duration_seconds"), Type: 2, Help: []byte("Time that the last request took."), Unit: []byte("seconds")},
		}}
		for i, labels := range series {
			n := int32(len(b.Samples))
			b.Samples = append(b.Samples, blockwriter.Sample{Timestamp: begin.Add(at).UnixMilli(), Value: float64(i) * at.Seconds()})
			b.Series = append(b.Series, blockwriter.Series{
				Hash: xxh3.HashString128(strings.Join(labels, "\xff")), Samples: blockwriter.Range{From: n, To: n + 1}, Metadata: -1,
			})
		}
		_, err := r.Append(b)
		require.NoError(t, err)
	}
	require.NoError(t, r.Finish(t.Context(), blockwriter.TriggerSignal))
	require.NoError(t, r.Close())
}

// exampleSeries is the blockwriter.LabelReader of the series: name, value, …
type exampleSeries [][]string

func (s exampleSeries) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	for j := 0; j < len(s[i]); j += 2 {
		dst = append(dst, blockwriter.Label{Name: []byte(s[i][j]), Value: []byte(s[i][j+1])})
	}
	return dst, nil
}

// redate makes the manifest of a run say when it was, and how it ended.
func redate(t *testing.T, bkt objstore.Bucket, id string, state archive.State, begin time.Time) {
	t.Helper()
	objects, err := archive.ManifestObjects(t.Context(), bkt, id)
	require.NoError(t, err)
	require.Len(t, objects, 1)
	m, err := archive.ReadManifest(t.Context(), bkt, objects[0])
	require.NoError(t, err)
	end := begin.Add(time.Hour + 4*time.Second)
	m.State, m.Started, m.Heartbeat, m.Finished, m.Sessions[0].Started = state, begin, end, &end, begin
	if state == archive.StateRunning {
		m.Finished, m.Complete, m.Trigger = nil, false, ""
	}
	require.NoError(t, archive.WriteManifest(t.Context(), bkt, m))
}
