package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A recipe is the shell recipe, ready to run a benchmark.
type recipe struct {
	dir, script string
	receiver    string
	env         []string
}

func newRecipe(t *testing.T, bucket func(testing.TB, string) harness.Bucket) (recipe, harness.Bucket) {
	t.Helper()
	dir := harness.Dir(t)
	path := harness.Sub(t, dir, "bin")
	require.NoError(t, os.Symlink(benchkeep(t), filepath.Join(path, "benchkeep")))
	for _, tool := range []string{"prometheus", "jq"} {
		require.NoError(t, os.Symlink(program(t, ".cache", "bin", tool), filepath.Join(path, tool)))
	}
	receiver, own := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.WriteFile(t, dir, "prometheus.yml", strings.NewReplacer(
		"127.0.0.1:19291", receiver, "127.0.0.1:9090", own, ": 5s", ": 1s").Replace(read(t, deployed(t, "shell", "prometheus.yml"))))
	b := bucket(t, dir)
	return recipe{dir: dir, script: deployed(t, "shell", "run-benchmark.sh"), receiver: receiver, env: []string{
		"PATH=" + path + ":" + os.Getenv("PATH"),
		"PROMETHEUS_ADDRESS=" + own,
		"BENCHKEEP_WEB_LISTEN_ADDRESS=" + receiver,
		"BENCHKEEP_RUN_ID=shell-1",
		"BENCHKEEP_OBJSTORE_CONFIG_FILE=" + b.ConfigFile,
		"BENCHKEEP_FINISH_TIMEOUT=20s",
	}}, b
}

func (r recipe) start(t *testing.T, benchmark ...string) *running {
	t.Helper()
	return startProgram(t, r.dir, r.script, benchmark, r.env...)
}

// afterScrapes is a benchmark that ends when its metrics have reached benchkeep.
func (r recipe) afterScrapes(then string) []string {
	return []string{"bash", "-c", fmt.Sprintf(
		`until curl -s http://%s/api/v1/status | grep -q '"received": *[1-9]'; do sleep 0.2; done; %s`, r.receiver, then)}
}

// TestShellRecipe: the run is archived however the benchmark ends, and the exit
// code tells of the benchmark first, of the archive second.
func TestShellRecipe(t *testing.T) {
	for _, c := range []struct {
		name, then string
		code       int
	}{
		{"benchmark succeeds", "exit 0", 0},
		{"benchmark fails", "exit 7", 7},
		{"benchmark is killed", "kill -KILL $$", 137},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, bucket := newRecipe(t, harness.DirectoryBucket)
			require.Equal(t, c.code, r.start(t, r.afterScrapes(c.then)...).wait())
			requireArchived(t, bucket)
		})
	}
	t.Run("job is cancelled", func(t *testing.T) {
		t.Parallel()
		r, bucket := newRecipe(t, harness.DirectoryBucket)
		job := r.start(t, "sleep", "600")
		requireSamples(t, r.receiver)
		require.NoError(t, job.cmd.Process.Signal(syscall.SIGTERM))
		require.Equal(t, 143, job.wait())
		requireArchived(t, bucket)
	})
	t.Run("bucket is out of reach", func(t *testing.T) {
		t.Parallel()
		r, _ := newRecipe(t, harness.UnreachableBucket)
		r.env = append(r.env, "BENCHKEEP_FINISH_TIMEOUT=2s")
		require.Equal(t, 2, r.start(t, r.afterScrapes("exit 0")...).wait())
		require.DirExists(t, filepath.Join(r.dir, "benchmark-run", "benchkeep"), "the data is kept")
	})
	t.Run("benchkeep does not start", func(t *testing.T) {
		t.Parallel()
		r, _ := newRecipe(t, harness.DirectoryBucket)
		r.env = append(r.env, "BENCHKEEP_FINISH_QUIET=never")
		job := r.start(t, "touch", "ran")
		require.Equal(t, 1, job.wait())
		require.NoFileExists(t, filepath.Join(r.dir, "ran"))
		require.Contains(t, job.log.String(), "BENCHKEEP_FINISH_QUIET=never")
	})
	t.Run("Prometheus does not start", func(t *testing.T) {
		t.Parallel()
		r, _ := newRecipe(t, harness.DirectoryBucket)
		r.env = append(r.env, "PROMETHEUS_CONFIG=missing.yml")
		job := r.start(t, "touch", "ran")
		require.Equal(t, 1, job.wait())
		require.NoFileExists(t, filepath.Join(r.dir, "ran"))
		require.Contains(t, job.log.String(), "missing.yml")
	})
	requireVariables(t, read(t, deployed(t, "shell", "run-benchmark.sh")))
}

func requireArchived(t *testing.T, bucket harness.Bucket) {
	t.Helper()
	m := bucket.Manifest(t, "shell-1")
	require.Equal(t, "archived", m.State)
	require.True(t, m.Complete)
	require.NotZero(t, m.Archived)
}
