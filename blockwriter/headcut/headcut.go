package headcut

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// BlockWriter is the part of a tsdb.Compactor that writes a block.
type BlockWriter interface {
	Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error)
}

// Options of a Writer.
type Options struct {
	// SegmentSize is the size in bytes at which a new chunk file begins. Zero
	// stands for the library's 512 MiB.
	SegmentSize int64
	// Workers is the number of goroutines that read and encode. Zero stands for
	// GOMAXPROCS.
	Workers int
	// FileDone, if set, is told of each data file of a block as soon as it is
	// complete and durable: chunk files while others are still being written,
	// the index last. It is called by several goroutines, and holds the writer
	// up while it runs. The block may come to nothing afterwards, and its files
	// with it: what has been told counts when Write has returned the ULID.
	FileDone func(File)
}

// File is a data file of a block: a chunk file or the index.
type File struct {
	Block   ulid.ULID
	Path    string // of the block's temporary folder, which is renamed in the end
	RelPath string // in the block's folder, with slashes
	Size    int64  // bytes
	SHA256  []byte
	// LargestEntry is the size in bytes of the largest chunk, or of the largest
	// series entry including its padding: what a Thanos Store plans its
	// requests by.
	LargestEntry int64
}

// Writer writes blocks from the head. Its methods may be called concurrently.
type Writer struct {
	ctx      context.Context
	logger   *slog.Logger
	fallback BlockWriter
	opts     Options
	create   func(path string) (osFile, error)
}

// New returns a Writer that leaves to the fallback what it does not know. When
// ctx is done, writing stops with its error.
func New(ctx context.Context, logger *slog.Logger, fallback BlockWriter, opts Options) *Writer {
	if opts.SegmentSize <= 0 {
		opts.SegmentSize = chunks.DefaultChunkSegmentSize
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.FileDone == nil {
		opts.FileDone = func(File) {}
	}
	return &Writer{ctx: ctx, logger: logger, fallback: fallback, opts: opts, create: createFile}
}

// errUnknown tells of a head that the package does not know how to write.
var errUnknown = errors.New("not known")

// Write does what Write of the library's compactor does: it makes a block of
// the samples from mint up to, but without, maxt (both in ms) in a new folder
// in dest, and returns its ULID, or none where there is no such sample. The
// block appears complete and durable, or not at all. base, if not nil, is the
// block that the new one is made from.
//
// Left to the fallback is all but a tsdb.RangeHead, which is the head in order,
// and of those a range that ends before the head begins. While a block is
// written, nothing may truncate the head: a database sees to that.
func (w *Writer) Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	if _, ok := b.(*tsdb.RangeHead); !ok {
		return w.fallback.Write(dest, b, mint, maxt, base)
	}
	began := time.Now()
	meta := newMeta(mint, maxt, base)
	w.logger.Info("write block started", "mint", mint, "maxt", maxt, "ulid", meta.ULID)
	c := &cut{Writer: w, block: b, meta: meta, dir: filepath.Join(dest, meta.ULID.String())}
	switch err := c.write(); {
	case errors.Is(err, errUnknown):
		return w.fallback.Write(dest, b, mint, maxt, base)
	case err != nil:
		return nil, fmt.Errorf("write block %s: %w", meta.ULID, err)
	}
	if meta.Stats.NumSamples == 0 {
		w.logger.Info("write block resulted in empty block", "mint", mint, "maxt", maxt, "duration", time.Since(began))
		return nil, nil
	}
	w.logger.Info("write block completed", "mint", mint, "maxt", maxt, "ulid", meta.ULID, "duration", time.Since(began))
	return []ulid.ULID{meta.ULID}, nil
}
