package blockcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// A Block is an open block of the cache. Several goroutines may read it.
type Block struct {
	// Stored is what the catalogue tells of the block.
	Stored *archive.StoredBlock
	// Labels are the external labels as meta.json has them. A manifest may tell
	// of one that the part has only had since.
	Labels map[string]string

	cache  *Cache
	dir    string // the folder with the lock
	lock   *os.File
	bytes  int64
	reader *tsdb.Block
}

// Reader reads the block's series, which have no external labels there. It is
// valid until the set is closed.
func (b *Block) Reader() tsdb.BlockReader { return b.reader }

// Dir is a folder with the block's files as a TSDB has them: meta.json as it is
// in the bucket, index, chunks. It is there until the set is closed, and nobody
// may write to it.
func (b *Block) Dir() string { return filepath.Join(b.dir, blockFolder) }

// Discard takes a block out of the cache that turned out to be damaged when it
// was read: the next to ask for it fetches it anew. This one still has to be
// closed.
func (b *Block) Discard(ctx context.Context) error {
	return b.cache.discard(ctx, b.Stored.ULID, b.lock)
}

func (b *Block) close() error { return errors.Join(b.reader.Close(), b.lock.Close()) }

// open opens the block in a folder whose lock is held, and takes the lock over
// if it returns no error. The error says what of the block is not as meta.json
// tells; nothing is read of the chunks, and of the index no more than is needed
// to find things.
func (c *Cache) open(dir string, lock *os.File, stored *archive.StoredBlock) (_ *Block, err error) {
	b := &Block{Stored: stored, cache: c, dir: dir, lock: lock}
	raw, err := os.ReadFile(filepath.Join(b.Dir(), archive.MetaFile))
	if err != nil {
		return nil, err
	}
	if sum, err := os.ReadFile(filepath.Join(dir, metaSumFile)); err != nil || string(sum) != metaSum(raw) {
		return nil, fmt.Errorf("%s is not as it was fetched", archive.MetaFile)
	}
	m, err := decodeMeta(raw, stored.ULID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive.MetaFile, err)
	}
	b.bytes, b.Labels = m.bytes(), m.labels
	for _, f := range m.files {
		info, err := os.Stat(filepath.Join(b.Dir(), filepath.FromSlash(f.RelPath)))
		if err != nil {
			return nil, err
		}
		if info.Size() != f.SizeBytes {
			return nil, fmt.Errorf("%s has %d bytes, meta.json says %d", f.RelPath, info.Size(), f.SizeBytes)
		}
	}
	// The decoders check every length but those that only a forger writes.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoder gave up: %v", p)
		}
	}()
	b.reader, err = tsdb.OpenBlock(nil, b.Dir(), nil, nil)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// ofDisk reports whether opening a block failed for a reason that is not the
// block's: too many files are open, or they may not be read.
func ofDisk(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed) && !errors.Is(err, fs.ErrNotExist)
}
