package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// A Block is what the tests read of a block's meta.json.
type Block struct {
	ULID    string
	MinTime int64
	MaxTime int64
	Stats   struct{ NumSamples, NumSeries int64 }
	Thanos  struct {
		Version    int
		Labels     map[string]string
		Downsample struct{ Resolution int64 }
		Source     string
		Files      []struct {
			RelPath   string `json:"rel_path"`
			SizeBytes int64  `json:"size_bytes"`
			Hash      *struct{ HashFunc, Value string }
		}
		Extensions map[string]any
	}
	dir string
}

// Blocks are the complete blocks in the bucket, in order of time. A block that
// a compactor has marked for deletion counts no more.
func (b Bucket) Blocks(t testing.TB) []Block {
	t.Helper()
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		t.Fatalf("list bucket: %v", err)
	}
	var blocks []Block
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil {
			continue
		}
		if _, err := os.Stat(b.path(e.Name(), "deletion-mark.json")); err == nil {
			continue
		}
		raw, err := os.ReadFile(b.path(e.Name(), "meta.json"))
		if os.IsNotExist(err) {
			continue // on its way up or down
		}
		block := Block{dir: b.path(e.Name())}
		if err == nil {
			err = json.Unmarshal(raw, &block)
		}
		if err != nil {
			t.Fatalf("read meta.json of %s: %v", e.Name(), err)
		}
		blocks = append(blocks, block)
	}
	slices.SortFunc(blocks, func(x, y Block) int { return int(x.MinTime - y.MinTime) })
	return blocks
}

// Folders are the top-level folders of the bucket that are named like blocks,
// complete or not.
func (b Bucket) Folders(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		t.Fatalf("list bucket: %v", err)
	}
	var folders []string
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil {
			folders = append(folders, e.Name())
		}
	}
	return folders
}

// Download copies the bucket's blocks to a folder, where they make a TSDB.
func (b Bucket) Download(t testing.TB, dir string) []Block {
	t.Helper()
	blocks := b.Blocks(t)
	for i, block := range blocks {
		to := Sub(t, dir, block.ULID)
		if err := os.CopyFS(to, os.DirFS(block.dir)); err != nil {
			t.Fatalf("download block %s: %v", block.ULID, err)
		}
		blocks[i].dir = to
	}
	return blocks
}

// Samples reads all samples of the bucket's blocks as Thanos shows them: each
// series with its block's external labels, which win over the series' own.
func (b Bucket) Samples(t testing.TB, dir string) Set {
	t.Helper()
	set := Set{}
	copies, err := os.MkdirTemp(dir, "blocks-")
	if err != nil {
		t.Fatalf("make folder: %v", err)
	}
	for _, block := range b.Download(t, copies) {
		content := readBlock(t, block.dir)
		if got := int64(content.Samples()); got != block.Stats.NumSamples {
			t.Errorf("block %s has %d samples, its meta.json says %d", block.ULID, got, block.Stats.NumSamples)
		}
		for _, series := range content {
			l := series.Labels.Map()
			maps.Copy(l, block.Thanos.Labels)
			set.Add(labels.FromMap(l), series.Points...)
		}
	}
	set.Sort()
	return set
}

// CheckFiles checks that what the block's meta.json says of its files is true
// of the objects in the bucket, and that it names all of them.
func (block Block) CheckFiles(t testing.TB) {
	t.Helper()
	want := map[string]bool{}
	err := filepath.WalkDir(block.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(block.dir, path)
			want[filepath.ToSlash(rel)] = true
		}
		return err
	})
	if err != nil {
		t.Fatalf("list block %s: %v", block.ULID, err)
	}
	for _, f := range block.Thanos.Files {
		if !want[f.RelPath] {
			t.Errorf("block %s: %s is listed but not in the bucket", block.ULID, f.RelPath)
			continue
		}
		delete(want, f.RelPath)
		if f.RelPath == "meta.json" {
			continue // a file cannot tell its own size and hash
		}
		content, err := os.ReadFile(filepath.Join(block.dir, filepath.FromSlash(f.RelPath)))
		if err != nil {
			t.Fatalf("read block %s: %v", block.ULID, err)
		}
		hash := sha256.Sum256(content)
		switch {
		case f.SizeBytes != int64(len(content)):
			t.Errorf("block %s: %s has %d bytes, meta.json says %d", block.ULID, f.RelPath, len(content), f.SizeBytes)
		case f.Hash == nil || f.Hash.HashFunc != "SHA256" || f.Hash.Value != hex.EncodeToString(hash[:]):
			t.Errorf("block %s: %s: meta.json has hash %v, want SHA256 %x", block.ULID, f.RelPath, f.Hash, hash)
		}
	}
	delete(want, "meta.json")
	for name := range want {
		t.Errorf("block %s: %s is in the bucket but not listed", block.ULID, name)
	}
}
