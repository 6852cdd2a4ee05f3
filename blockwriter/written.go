package blockwriter

import (
	"cmp"
	"encoding/hex"
	"path"
	"slices"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter/headcut"
)

// writtenFiles remembers what the writer of blocks has told of their files, so
// that they need not be read again for it: some hundred bytes a block. It is
// safe for concurrent use.
type writtenFiles struct {
	mu     sync.Mutex
	blocks map[ulid.ULID][]headcut.File
}

// fileDone is a headcut.Options.FileDone.
func (r *Run) fileDone(f headcut.File) {
	r.written.add(f)
	if r.early != nil {
		r.early.add(f)
	}
}

func (w *writtenFiles) add(f headcut.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocks == nil {
		w.blocks = map[ulid.ULID][]headcut.File{}
	}
	w.blocks[f.Block] = append(w.blocks[f.Block], f)
}

// of returns what is known of the files of a block that is complete, or nil:
// blocks that were merged, and those of earlier sessions, are not known.
func (w *writtenFiles) of(id ulid.ULID) *blockFiles {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocks[id] == nil {
		return nil
	}
	files := slices.Clone(w.blocks[id])
	slices.SortFunc(files, func(a, b headcut.File) int { return cmp.Compare(a.RelPath, b.RelPath) })
	bf := &blockFiles{}
	for _, f := range files {
		bf.files = append(bf.files, archive.File{
			RelPath:   f.RelPath,
			SizeBytes: f.Size,
			Hash:      &archive.Hash{Func: "SHA256", Value: hex.EncodeToString(f.SHA256)},
		})
		if f.RelPath == archive.IndexFile {
			bf.stats.SeriesMaxSize = f.LargestEntry
			continue
		}
		bf.segments = append(bf.segments, path.Base(f.RelPath))
		bf.stats.ChunkMaxSize = max(bf.stats.ChunkMaxSize, f.LargestEntry)
	}
	return bf
}
