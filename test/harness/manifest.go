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
	parts, err := filepath.Glob(b.path("benchkeep", "runs", run, "*.json"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("manifests of run %s: %v, want one (%v)", run, parts, err)
	}
	raw, err := os.ReadFile(parts[0])
	if err != nil {
		t.Fatalf("read manifest: %v", err)
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("decode manifest: %v\n%s", err, raw)
	}
	return m
}
