package blockwriter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
)

// uploadsAtOnce bounds the objects on their way at a time. On loopback and in
// a data centre a few connections fill the link; more would only take memory
// from the benchmark.
const uploadsAtOnce = 4

// progress tells how far shipping is. Bytes count when their object is in.
type progress struct {
	blocks, blocksDone, bytes, bytesDone atomic.Int64
}

func (p *progress) reset() {
	p.blocks.Store(0)
	p.blocksDone.Store(0)
	p.bytes.Store(0)
	p.bytesDone.Store(0)
}

// ship brings the given local blocks into the bucket, as far as they are not
// there, and takes out what they replace. Blocks go one after the other,
// oldest first, the files of each in parallel, meta.json last. It returns how
// many it brought.
func (r *Run) ship(ctx context.Context, blocks []localBlock) (shipped int, err error) {
	r.upload.reset()
	todo := r.unshipped(blocks)
	plans := make([]*blockFiles, len(todo))
	for i, b := range todo {
		bf := r.written.of(b.meta.ULID)
		if bf == nil {
			var err error
			if bf, err = inspectBlock(b.dir); err != nil {
				return 0, err
			}
		}
		plans[i] = bf
		r.upload.blocks.Add(1)
		r.upload.bytes.Add(bf.bytes())
	}
	if len(todo) > 0 {
		err := r.retry(ctx, "look for other parts of the run", smallObject, func(ctx context.Context) error {
			return r.keepApart(ctx, todo)
		})
		if err != nil {
			return 0, err
		}
	}
	for i, b := range todo {
		if err := r.shipBlock(ctx, b, plans[i]); err != nil {
			return i, err
		}
		// What this block replaces overlaps it: it goes at once.
		if err := r.removeReplaced(ctx, func(old archive.Block) bool {
			return old.MinTime < b.meta.MaxTime && b.meta.MinTime < old.MaxTime
		}); err != nil {
			return i, err
		}
	}
	return len(todo), r.removeReplaced(ctx, func(archive.Block) bool { return true })
}

// unshipped are the blocks that the manifest does not list as complete.
func (r *Run) unshipped(blocks []localBlock) []localBlock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(blocks), func(b localBlock) bool {
		return slices.ContainsFunc(r.rec.Manifest.Blocks, func(done archive.Block) bool { return done.ULID == b.meta.ULID })
	})
}

func (r *Run) shipBlock(ctx context.Context, b localBlock, bf *blockFiles) error {
	meta, start := b.meta, time.Now()
	if err := r.claim(meta.ULID); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(uploadsAtOnce)
	for _, f := range bf.files {
		group.Go(func() error {
			path := filepath.Join(b.dir, filepath.FromSlash(f.RelPath))
			if err := r.putFile(groupCtx, archive.BlockObject(meta.ULID, f.RelPath), path, f.SizeBytes); err != nil {
				return err
			}
			r.upload.bytesDone.Add(f.SizeBytes)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("upload block %s: %w", meta.ULID, err)
	}
	r.pace.sawUpload(bf.bytes(), time.Since(start))
	data, err := encodeMeta(meta, bf, r.manifest(), time.Now().UTC())
	if err != nil {
		return err
	}
	if err := r.putBytes(ctx, archive.BlockObject(meta.ULID, archive.MetaFile), data); err != nil {
		return fmt.Errorf("upload block %s: %w", meta.ULID, err)
	}
	entry := blockEntry(meta, bf)
	err = r.update(func(rec *record) { rec.Manifest.Blocks = append(rec.Manifest.Blocks, entry) })
	if err != nil {
		return err
	}
	r.upload.blocksDone.Add(1)
	r.metrics.blocksShipped.Inc()
	r.metrics.bytesShipped.Add(float64(entry.Bytes()))
	r.logger.Info("block is in the bucket", "block", meta.ULID, "samples", meta.Stats.NumSamples,
		"bytes", entry.Bytes(), "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// removeReplaced takes those blocks out of the bucket that were uploaded once
// and that a merge has replaced since. Their samples are in the block that
// took their place, which is complete by now. Only those go that the function
// picks; of one whose upload was never completed it sees no more than the ULID.
func (r *Run) removeReplaced(ctx context.Context, picked func(archive.Block) bool) error {
	blocks, err := r.localBlocks()
	if err != nil {
		return err
	}
	local := map[ulid.ULID]bool{}
	for _, b := range blocks {
		local[b.meta.ULID] = true
	}
	r.mu.Lock()
	var replaced []ulid.ULID
	for _, id := range r.rec.Claimed {
		old := archive.Block{ULID: id}
		if i := slices.IndexFunc(r.rec.Manifest.Blocks, func(b archive.Block) bool { return b.ULID == id }); i >= 0 {
			old = r.rec.Manifest.Blocks[i]
		}
		if !local[id] && !slices.Contains(r.rec.Dropped, id) && picked(old) {
			replaced = append(replaced, id)
		}
	}
	r.mu.Unlock()
	for _, id := range replaced {
		err := r.retry(ctx, "remove replaced block", smallObject, func(ctx context.Context) error {
			return archive.DeleteBlock(ctx, r.opts.Bucket, id)
		})
		if err != nil {
			return err
		}
		err = r.update(func(rec *record) {
			rec.Claimed = slices.DeleteFunc(rec.Claimed, func(c ulid.ULID) bool { return c == id })
			rec.Manifest.Blocks = slices.DeleteFunc(rec.Manifest.Blocks, func(b archive.Block) bool { return b.ULID == id })
		})
		if err != nil {
			return err
		}
		r.logger.Info("block replaced by a merged one is out of the bucket", "block", id)
	}
	return nil
}

// putFile uploads a file and finds it in the bucket afterwards, whole.
func (r *Run) putFile(ctx context.Context, object, path string, size int64) error {
	return r.retry(ctx, "upload "+object, size, func(ctx context.Context) (err error) {
		if r.inBucket(ctx, object, size) == nil {
			return nil // an earlier attempt or session got that far
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		return r.put(ctx, object, f, size)
	})
}

// putBytes is putFile for what is in memory. It replaces what is there.
func (r *Run) putBytes(ctx context.Context, object string, data []byte) error {
	return r.retry(ctx, "upload "+object, int64(len(data)), func(ctx context.Context) error {
		return r.put(ctx, object, bytes.NewReader(data), int64(len(data)))
	})
}

func (r *Run) put(ctx context.Context, object string, from io.Reader, size int64) error {
	if err := r.opts.Bucket.Upload(ctx, object, from); err != nil {
		return err
	}
	return r.inBucket(ctx, object, size)
}

// inBucket checks that the bucket has the object in its full size.
func (r *Run) inBucket(ctx context.Context, object string, size int64) error {
	attrs, err := r.opts.Bucket.Attributes(ctx, object)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if attrs.Size != size {
		return fmt.Errorf("verify: %s has %d bytes in the bucket, want %d", object, attrs.Size, size)
	}
	return nil
}
