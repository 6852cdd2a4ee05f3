package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// tools is where `make tools` puts the pinned programs.
const tools = ".cache/bin"

// Root is the repository's root: the folder above this file whose go.mod is
// the product's. With -trimpath the file's own place is not known, then the
// search starts where the test runs.
func Root(t testing.TB) string {
	t.Helper()
	starts := make([]string, 0, 2)
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil && bytes.HasPrefix(mod, []byte("module github.com/benchkeep/benchkeep\n")) {
				return dir
			}
		}
	}
	t.Fatalf("no repository root above %v", starts)
	return ""
}

// tool is the path of a pinned program of others.
func tool(t testing.TB, name string) string {
	t.Helper()
	return program(t, filepath.Join(tools, name), "make tools")
}

// product is the path of benchkeep.
func product(t testing.TB) string {
	t.Helper()
	return program(t, filepath.Join("bin", "benchkeep"), "make build")
}

func program(t testing.TB, rel, target string) string {
	t.Helper()
	path := filepath.Join(Root(t), rel)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("program %s is missing: run `%s` first", rel, target)
	}
	return path
}
