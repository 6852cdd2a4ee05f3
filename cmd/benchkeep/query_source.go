package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/archive/query"
)

// cacheFlags choose where blocks of the bucket are kept on the local disk, and
// whether they are needed at all.
type cacheFlags struct {
	dir  *string
	size *units.Base2Bytes
	url  *string // nil for a command that needs the blocks themselves
}

func addCacheFlags(cmd *kingpin.CmdClause) *cacheFlags {
	return &cacheFlags{
		dir: cmd.Flag("cache.dir", "Folder in which blocks of the bucket are kept. Default: benchkeep/blocks where the system keeps a user's caches, below XDG_CACHE_HOME or ~/.cache.").
			PlaceHolder("<path>").String(),
		size: cmd.Flag("cache.size", "How much room they may take. The blocks whose last use is longest ago make room.").
			PlaceHolder("<size>").Default("10GiB").Bytes(),
	}
}

// withQueryURL adds the flag for a server that has the blocks already.
func (f *cacheFlags) withQueryURL(cmd *kingpin.CmdClause) *cacheFlags {
	f.url = cmd.Flag("query.url", "Address of a Thanos Query over the bucket, or a Prometheus that has the run: it evaluates, and no block is fetched.").
		PlaceHolder("<url>").String()
	return f
}

// open opens the cache.
func (f *cacheFlags) open() (*blockcache.Cache, error) {
	if *f.size <= 0 {
		return nil, fmt.Errorf("--cache.size=%s: want more than nothing", *f.size)
	}
	dir := *f.dir
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: say with --cache.dir where to keep blocks", err)
		}
		dir = filepath.Join(caches, "benchkeep", "blocks")
	}
	return blockcache.Open(dir, int64(*f.size))
}

// openLocal brings the run's blocks into the cache and opens them.
func (f *cacheFlags) openLocal(ctx context.Context, bkt objstore.Bucket, run *archive.Run) (*query.Local, error) {
	cache, err := f.open()
	if err != nil {
		return nil, err
	}
	view := newWorkView("fetching blocks of " + run.ID)
	defer view.end()
	local, err := query.OpenLocal(ctx, cache, bkt, run, view.show)
	var ofDisk *blockcache.DiskError
	var ofBlock *blockcache.BlockError
	var nothing *query.NoSamplesError
	switch {
	case err == nil:
		return local, nil
	case errors.As(err, &ofDisk) || ctx.Err() != nil:
		return nil, err
	case errors.As(err, &ofBlock) || errors.As(err, &nothing):
		return nil, incompleteError{err}
	default:
		return nil, ofBucket(bkt, err)
	}
}

// openRun gives what answers queries about the run. The caller closes it.
func (f *cacheFlags) openRun(ctx context.Context, bkt objstore.Bucket, run *archive.Run) (query.Source, error) {
	if f.url != nil && *f.url != "" {
		remote, err := query.NewRemote(*f.url, run)
		if err != nil {
			return nil, err
		}
		return remote, nil
	}
	local, err := f.openLocal(ctx, bkt, run)
	if err != nil {
		return nil, err
	}
	return local, nil
}
