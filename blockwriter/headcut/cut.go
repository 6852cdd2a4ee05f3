package headcut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

const (
	chunksDir = "chunks"
	indexName = "index"

	// temporary marks a folder that tsdb removes when it is opened: a block that
	// a crash left half-written.
	temporary = ".tmp-for-creation"
)

// cut is the writing of one block.
type cut struct {
	*Writer
	block tsdb.BlockReader
	meta  *tsdb.BlockMeta
	dir   string // of the block, in the end
}

// write makes the block in a temporary folder and renames that. Nothing is
// left where it fails, or there is nothing to put into the block.
func (c *cut) write() (err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(c.temp())) }()
	if err := os.MkdirAll(c.temp(chunksDir), 0o777); err != nil {
		return err
	}
	if err := c.writeData(c.ctx); err != nil || c.meta.Stats.NumSamples == 0 {
		return err
	}
	if err := c.writeMeta(); err != nil {
		return fmt.Errorf("write %s: %w", metaName, err)
	}
	if _, err := tombstones.WriteFile(c.logger, c.temp(), tombstones.NewMemTombstones()); err != nil {
		return fmt.Errorf("write tombstones: %w", err)
	}
	for _, dir := range []string{c.temp(chunksDir), c.temp()} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return fileutil.Replace(c.temp(), c.dir)
}

// writeData writes the chunks and the index, pass after pass.
func (c *cut) writeData(ctx context.Context) error {
	src := &source{block: c.block, workers: c.opts.Workers}
	if err := src.readChunks(ctx, c.meta); err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	if c.meta.Stats.NumSamples == 0 {
		return nil
	}
	x, err := c.newIndex()
	if err != nil {
		return err
	}
	defer x.giveUp()
	segs := c.newSegments()
	defer segs.close()
	for _, pass := range []struct {
		act string
		run func() error
	}{
		{"read labels", func() error { return src.readLabels(ctx) }},
		{"write symbols", func() error { return x.writeSymbols(src.symbols) }},
		{"read postings", func() error { return src.readPostings(ctx) }},
		{"sort series", func() error { return src.sortSeries() }},
		{"write series", func() error { return writeSeries(ctx, src, x, segs) }},
		{"write postings", func() error { return x.writePostings(src.labels, src.postings) }},
		{"write postings table", func() error { return x.writePostingsTable(src.labels, src.postings) }},
		{"write table of contents", x.writeTOC},
		{"sync chunks", segs.wait},
		{"sync index", func() error { return c.finish(x.file, x.largestEntry) }},
	} {
		if err := pass.run(); err != nil {
			return fmt.Errorf("%s: %w", pass.act, err)
		}
	}
	return nil
}

// source is what a block is made from, as the passes read it from the head.
type source struct {
	block   tsdb.BlockReader
	workers int

	series   *series
	labels   *dictionary
	symbols  *symbols // until the series are sorted
	postings postings
	rows     *rows
	order    []keyed // of the series
}

// sortSeries brings the series into the order of the block, and makes room in
// the postings for their places in it.
func (src *source) sortSeries() error {
	src.rows = src.postings.rows(src.labels, len(src.series.refs))
	src.order = src.rows.sorted(src.symbols.order, src.workers)
	src.symbols = nil
	src.postings.clear(src.labels)
	return nil
}

// temp is a path in the temporary folder.
func (c *cut) temp(rel ...string) string {
	return filepath.Join(append([]string{c.dir + temporary}, rel...)...)
}

func syncDir(dir string) (err error) {
	d, err := fileutil.OpenDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
