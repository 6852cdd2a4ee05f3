package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/benchkeep/benchkeep/"

// TestImportsPointDown holds the packages to the order in which they may know
// each other, and tsdb to those that are about it.
func TestImportsPointDown(t *testing.T) {
	order := []string{
		"cmd/benchkeep", "receiver", "blockwriter", "blockwriter/headcut",
		"archive/compare/page", "archive/compare", "archive/compare/stats", "archive/export", "archive/query", "archive/blockcache", "archive/check", "archive",
	}
	mayUseTSDB := []string{"blockwriter", "blockwriter/headcut", "archive/export", "archive/query", "archive/blockcache", "archive/check"}
	for i, pkg := range order {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).CombinedOutput()
		require.NoError(t, err, string(out))
		for imported := range strings.Lines(string(out)) {
			imported = strings.TrimSpace(imported)
			if own, ok := strings.CutPrefix(imported, module); ok {
				at := slices.Index(order, own)
				require.Greater(t, at, i, "%s imports %s, which is not below it", pkg, imported)
			}
			if strings.HasPrefix(imported, "github.com/prometheus/prometheus/tsdb") {
				require.Contains(t, mayUseTSDB, pkg, "%s imports %s", pkg, imported)
			}
		}
	}
}
