package blockwriter

import (
	"context"
	"os"
	"slices"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter/headcut"
)

// earlyUploads bring the files of blocks into the bucket while the cut goes on
// that writes them. Each is tried once, and only if an upload is free: what does
// not get there, ship uploads in its turn, and what does, it finds. A block
// that comes to nothing is claimed like any other, and taken out of the bucket.
type earlyUploads struct {
	run   *Run
	ctx   context.Context
	group errgroup.Group
}

func (r *Run) newEarlyUploads(ctx context.Context) *earlyUploads {
	e := &earlyUploads{run: r, ctx: ctx}
	e.group.SetLimit(uploadsAtOnce)
	return e
}

// add begins the upload of a file that is complete. It does not wait for it.
func (e *earlyUploads) add(f headcut.File) {
	// Open it now: its folder will have another name in a moment.
	src, err := os.Open(f.Path)
	if err != nil {
		return
	}
	begun := e.run.claim(f.Block) == nil && e.group.TryGo(func() error {
		defer src.Close()
		ctx, cancel := context.WithTimeout(e.ctx, attemptTime(f.Size))
		defer cancel()
		if err := e.run.put(ctx, archive.BlockObject(f.Block, f.RelPath), src, f.Size); err != nil {
			e.run.logger.Debug("file could not be uploaded while the cut goes on", "block", f.Block, "file", f.RelPath, "err", err)
		}
		return nil
	})
	if !begun {
		src.Close()
	}
}

// wait returns when no upload is under way any more.
func (e *earlyUploads) wait() { e.group.Wait() }

// claim notes down, before its first byte goes out, that the bucket may hold
// something of a block: whatever happens, a later session knows.
func (r *Run) claim(id ulid.ULID) error {
	return r.update(func(rec *record) {
		if !slices.Contains(rec.Claimed, id) {
			rec.Claimed = append(rec.Claimed, id)
		}
	})
}
