package archive

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestStates follows a run whose receiver is killed, from running over
// interrupted to archived. What is added meanwhile is not lost when the receiver
// renews its manifest.
func TestStates(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	c := newCommands(t, dir, bucket)
	r := startRun(t, dir, bucket, "killed", "receiver")
	s := harness.NewSender(t, r, harness.RemoteWriteV1)
	send(s, 2, time.Now().Add(-time.Hour), time.Hour, time.Minute)

	c.run(0, "label", "killed", "suspect=true")
	if got := c.list()["killed"]; got.State != "running" || got.Finished != nil || got.Labels["suspect"] != "true" {
		t.Errorf("while it is received it is listed as %+v", got)
	}
	if out := c.run(1, "rm", "killed", "--yes"); !strings.Contains(out, "the run is running") {
		t.Errorf("a deletion is refused with %q", out)
	}
	r.Kill()
	r.Wait()
	ageHeartbeats(t, bucket, 4*time.Minute)
	if got := c.list()["killed"].State; got != "interrupted" {
		t.Errorf("when its heartbeat has stopped its state is %q", got)
	}
	if code := harness.Benchkeep(t, dir, "resume", "resume", "--storage.path="+r.Storage, "--objstore.config-file="+bucket.ConfigFile).Wait(); code != 0 {
		t.Fatalf("resume exited with code %d", code)
	}
	got := c.list()["killed"]
	if got.State != "archived" || got.Labels["suspect"] != "true" || got.Samples != int64(s.Acknowledged.Samples()) {
		t.Errorf("resumed, it is listed as %+v", got)
	}
	c.run(0, "verify", "killed")
}

// ageHeartbeats makes every manifest of the bucket say that it is older.
func ageHeartbeats(t *testing.T, b harness.Bucket, by time.Duration) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.Dir, "benchkeep", "runs", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("manifests: %v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		m["heartbeat"] = time.Now().Add(-by)
		if raw, err = json.Marshal(m); err == nil {
			err = os.WriteFile(file, raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBucketsThatCannotBeRead checks that a command says so, and which flag it
// is about.
func TestBucketsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for name, bucket := range map[string]harness.Bucket{
		"wrong-secret": server.WrongSecret(t, dir, "hush"),
		"missing":      server.Missing(t, dir, "nowhere"),
		"unreachable":  harness.UnreachableBucket(t, dir),
	} {
		t.Run(name, func(t *testing.T) {
			out := newCommands(t, harness.Sub(t, dir, name), bucket).run(1, "list")
			if !strings.Contains(out, "--objstore.config-file") || strings.Contains(out, "hush") {
				t.Errorf("a list says %q", out)
			}
		})
	}
}

// TestCompletion asks bash what it would complete.
func TestCompletion(t *testing.T) {
	t.Parallel()
	program := filepath.Join(harness.Root(t), "bin", "benchkeep")
	for line, want := range map[string]string{
		"benchkeep runs pr":       "prune",
		"benchkeep runs list --s": "--selector --since --scan",
	} {
		words := strings.Fields(line)
		script := `eval "$("$0" --completion-script-bash)"
COMP_WORDS=("$0" "${@:2}") COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_benchkeep_bash_autocomplete
echo "${COMPREPLY[@]}"`
		out, err := exec.Command("bash", append([]string{"-c", script, program}, words...)...).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: bash completes %q, %v; want %q", line, out, err, want)
		}
	}
}
