package blockwriter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// localBlock is a block on disk.
type localBlock struct {
	dir  string
	meta tsdb.BlockMeta
}

// localBlocks are the blocks on disk, whether the database has loaded them or
// not, oldest first. Those that others were merged from are left out: the
// database deletes them when it loads the merged ones. So are those of the time
// that was given up: the bucket has what is in them.
func (r *Run) localBlocks() ([]localBlock, error) {
	entries, err := os.ReadDir(r.db.Dir()) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	var blocks []localBlock
	merged := map[ulid.ULID]bool{}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil {
			continue
		}
		b := localBlock{dir: filepath.Join(r.db.Dir(), e.Name())}
		b.meta, err = readMeta(b.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // on its way in or out
		}
		if err != nil {
			return nil, fmt.Errorf("read %s of block %s: %w", archive.MetaFile, e.Name(), err)
		}
		for _, parent := range b.meta.Compaction.Parents {
			merged[parent.ULID] = true
		}
		blocks = append(blocks, b)
	}
	blocks = slices.DeleteFunc(blocks, func(b localBlock) bool {
		return merged[b.meta.ULID] || b.meta.Compaction.Deletable || b.meta.MinTime < r.givenUp.Load()
	})
	slices.SortStableFunc(blocks, func(a, b localBlock) int { return int(min(max(a.meta.MinTime-b.meta.MinTime, -1), 1)) })
	return blocks, nil
}

// readMeta reads what the database keeps about a block on disk.
func readMeta(dir string) (meta tsdb.BlockMeta, err error) {
	data, err := os.ReadFile(filepath.Join(dir, archive.MetaFile))
	if err != nil {
		return meta, err
	}
	return meta, json.Unmarshal(data, &meta)
}
