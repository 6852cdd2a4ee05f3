package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/archive/export"
)

// exportBlocks puts the run's blocks into a folder, and tells how to read them.
func (f *exportFlags) exportBlocks(ctx context.Context, bkt objstore.Bucket, run *archive.Run) error {
	blocks := rawBlocks(run)
	if len(blocks) == 0 {
		return incompleteError{fmt.Errorf("run %s has no blocks of samples in the bucket", run.ID)}
	}
	cache, err := f.cache.open()
	if err != nil {
		return err
	}
	view := newWorkView("fetching blocks of " + run.ID)
	added, err := export.Blocks(ctx, cache, bkt, export.BlockOptions{Blocks: blocks, Dir: *f.blockDir, Umask: f.umask, Progress: view.show})
	view.end()
	if err != nil {
		return f.ofBlocks(ctx, bkt, err)
	}
	printBlocks(run, blocks, *f.blockDir, added)
	return nil
}

// ofBlocks says of an error whose it is.
func (f *exportFlags) ofBlocks(ctx context.Context, bkt objstore.Bucket, err error) error {
	var ofBlock *blockcache.BlockError
	var ofDisk *blockcache.DiskError
	var ofDir *export.DirError
	switch {
	case errors.As(err, &ofDir):
		return fmt.Errorf("--block-dir: %w", err)
	case errors.As(err, &ofDisk) || ctx.Err() != nil:
		return err
	case errors.As(err, &ofBlock):
		return incompleteError{err}
	default:
		return ofBucket(bkt, err)
	}
}

// printBlocks tells what is in the folder, and the command to read it with.
func printBlocks(run *archive.Run, blocks []*archive.StoredBlock, dir string, added int) {
	mint, maxt := blocks[0].MinTime, blocks[0].MaxTime
	var sets []string
	for _, b := range blocks {
		mint, maxt = min(mint, b.MinTime), max(maxt, b.MaxTime)
		sets = append(sets, "{"+labelsText(b.Labels)+"}")
	}
	slices.Sort(sets)
	sets = slices.Compact(sets)
	fmt.Printf("%s of run %s in %s, %d of them new: samples from %s to %s. To look at them:\n\n", plural(len(blocks), "block"), run.ID, dir, added,
		time.UnixMilli(mint).UTC().Format(time.RFC3339), time.UnixMilli(maxt-1).UTC().Format(time.RFC3339))
	fmt.Printf("  prometheus --config.file=/dev/null --storage.tsdb.path=%s --storage.tsdb.retention.time=100y\n\n", shellWord(dir))
	fmt.Printf("Without that retention, Prometheus deletes what is older than 15 days. Series have no external labels there: %s\n", oneLine(strings.Join(sets, " and ")))
	if len(sets) > 1 {
		fmt.Println("Series of parts that differ in nothing else become one.")
	}
}

// shellWord writes a text so that a shell takes it for one word.
func shellWord(text string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`).MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
