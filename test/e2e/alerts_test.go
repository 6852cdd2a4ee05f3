package e2e

import (
	"path/filepath"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestAlerts runs the unit tests of the alerts that come with benchkeep.
func TestAlerts(t *testing.T) {
	rules := filepath.Join(harness.Root(t), "deploy", "alerts_test.yaml")
	p := harness.Promtool(t, harness.Dir(t), "promtool-rules", "test", "rules", rules)
	if code := p.Wait(); code != 0 {
		t.Errorf("promtool test rules exited with code %d: %s", code, p.Log())
	}
}
