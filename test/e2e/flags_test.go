package e2e

import (
	"strings"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestBadFlags starts benchkeep with flags that it cannot work with. It has to
// end with exit code 1 and name the flag to change.
func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, flag, names string }{
		{"run id that climbs", "--run.id=../x", "--run.id"},
		{"run id that starts with a dot", "--run.id=.x", "--run.id"},
		{"label name with a dash", "--run.label=bad-label=1", "--run.label"},
		{"label without a value", "--run.label=lonely", "--run.label"},
		{"objstore configuration that is not YAML", "--objstore.config=type: [", "--objstore.config"},
		{"objstore type that does not exist", "--objstore.config=type: NOWHERE", "--objstore.config"},
		{"objstore file that does not exist", "--objstore.config-file=missing.yml", "--objstore.config-file"},
		{"duration without a unit", "--finish.timeout=soon", "--finish.timeout"},
		{"unknown flag", "--no-such-flag=1", "no-such-flag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := harness.Dir(t)
			p := harness.Benchkeep(t, dir, "benchkeep", "receive", "--storage.path=data",
				"--web.listen-address="+harness.FreeAddress(t), c.flag)
			if code := p.Wait(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			// The log's first line is the command line, which names it anyway.
			if _, log, _ := strings.Cut(p.Log(), "\n"); !strings.Contains(log, c.names) {
				t.Errorf("the message does not name %s:\n%s", c.names, log)
			}
		})
	}
}

// TestBadObjstoreFile gives a file that is no objstore configuration.
func TestBadObjstoreFile(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	file := harness.WriteFile(t, dir, "objstore.yml", "type: S3\nconfig: {bucket: [}\n")
	p := harness.Benchkeep(t, dir, "benchkeep", "receive", "--storage.path=data",
		"--web.listen-address="+harness.FreeAddress(t), "--objstore.config-file="+file)
	if code := p.Wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if _, log, _ := strings.Cut(p.Log(), "\n"); !strings.Contains(log, "--objstore.config-file") {
		t.Errorf("the message does not name --objstore.config-file:\n%s", log)
	}
}
