package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dir makes a folder for the test. It is removed after the test's programs
// have ended, unless the test failed: then its place is logged.
func Dir(t testing.TB) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", "\\", "-", " ", "-").Replace(t.Name())
	dir, err := os.MkdirTemp("", "benchkeep-e2e-"+name+"-")
	if err != nil {
		t.Fatalf("make test folder: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs and data are kept in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove test folder: %v", err)
		}
	})
	return dir
}

// Sub makes a folder below dir.
func Sub(t testing.TB, dir string, elem ...string) string {
	t.Helper()
	sub := filepath.Join(append([]string{dir}, elem...)...)
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatalf("make folder: %v", err)
	}
	return sub
}

// WriteFile writes a file below dir and gives its path.
func WriteFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return path
}

// ReadFile gives what a file has in it.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}
