package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A Manifest is what the tests read of a run's record in the bucket.
type Manifest struct {
	Version    int
	Run        string
	Part       string
	Labels     map[string]string
	State      string
	Complete   bool
	Trigger    string
	Series     int64
	Received   int64
	Written    int64
	Duplicates int64
	Rejected   map[string]int64
	Archived   int64
	Blocks     []struct{ ULID string }
	Metrics    map[string]struct{ Type, Help, Unit string }
	Senders    []string
	Sessions   []json.RawMessage
}

// Manifest reads the record of a run that has one part.
func (b Bucket) Manifest(t testing.TB, run string) Manifest {
	t.Helper()
	parts := b.Manifests(t, run)
	if len(parts) != 1 {
		t.Fatalf("run %s has %d manifests, want one", run, len(parts))
	}
	return parts[0]
}

// Manifests reads the records of all parts of a run, oldest part first.
func (b Bucket) Manifests(t testing.TB, run string) []Manifest {
	t.Helper()
	files, err := filepath.Glob(b.path("benchkeep", "runs", run, "*.json"))
	if err != nil {
		t.Fatalf("list manifests: %v", err)
	}
	parts := make([]Manifest, len(files))
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read manifest: %v", err)
		}
		if err := json.Unmarshal(raw, &parts[i]); err != nil {
			t.Fatalf("decode manifest: %v\n%s", err, raw)
		}
	}
	return parts
}
