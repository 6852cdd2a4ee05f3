package deploy

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestMakeArchive runs what `make archive` runs, and asks what it prints: each
// of the queries has an answer of both runs.
func TestMakeArchive(t *testing.T) {
	t.Parallel()
	dry := exec.Command("make", "--dry-run", "archive")
	dry.Dir = harness.Root(t)
	out, err := dry.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "cd test && go run ./stack")

	dir := harness.Dir(t)
	show := filepath.Join(dir, "show")
	compile := exec.Command("go", "build", "-o", show, "./stack")
	compile.Dir = filepath.Join(harness.Root(t), "test")
	out, err = compile.CombinedOutput()
	require.NoError(t, err, "%s", out)

	printed := filepath.Join(dir, "printed")
	file, err := os.Create(printed)
	require.NoError(t, err)
	defer file.Close()
	archive := exec.Command(show)
	archive.Dir, archive.Env = compile.Dir, append(os.Environ(), "TMPDIR="+harness.Sub(t, dir, "tmp"))
	archive.Stdout, archive.Stderr = file, file
	require.NoError(t, archive.Start())
	exited := make(chan error, 1)
	go func() { exited <- archive.Wait() }()
	t.Cleanup(func() { _ = archive.Process.Signal(syscall.SIGTERM) })
	harness.Until(t, "the archive to be shown", func() error {
		select {
		case err := <-exited:
			t.Fatalf("it has ended, %v: %s", err, read(t, printed))
		default:
		}
		if text := read(t, printed); !strings.Contains(text, "Interrupt it") {
			return os.ErrNotExist
		}
		return nil
	})

	text := read(t, printed)
	s := stack{url: regexp.MustCompile(`The archive is at (\S+)`).FindStringSubmatch(text)[1]}
	requireAnswer(t, s.url+"/graph")
	queries := regexp.MustCompile(`(?m)^  (.+)\n  (http\S+)$`).FindAllStringSubmatch(text, -1)
	require.Len(t, queries, 3)
	for _, q := range queries {
		link, err := url.Parse(q[2])
		require.NoError(t, err)
		require.Equal(t, q[1], link.Query().Get("g0.expr"))
		data, err := ask[struct{ Result []result }](s, "/api/v1/query", url.Values{"query": {q[1]}})
		require.NoError(t, err)
		runs := map[string]bool{}
		for _, r := range data.Result {
			runs[r.Metric["run"]] = true
		}
		require.Equal(t, map[string]bool{"archive-1": true, "archive-2": true}, runs, q[1])
	}

	require.NoError(t, archive.Process.Signal(os.Interrupt))
	require.NoError(t, <-exited)
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
}
