package check

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/benchkeep/benchkeep/archive"
)

// content is what was found in a block.
type content struct {
	stats archive.BlockStats
	// minTime and maxTime are those of the samples, in ms, both inclusive. They
	// are valid if there are samples.
	minTime, maxTime int64
	series           []uint64 // a hash of the labels of each, sorted
	// whole is set if everything could be read, so that the rest is valid.
	whole bool
}

// contentReader reads one block from the temporary folder.
type contentReader struct {
	*check
	*block
	data     byteSlice // the index
	index    *index.Reader
	segments map[int]*segment // by number, from 0; nil for downsampled blocks
	samples  sampleReader
	postings postingsSum
	found    content
	failed   bool // something could not be read
}

// readContent reads the block's index and, if it is not downsampled, every
// sample, and holds the counts to meta.json.
func (c *check) readContent(ctx context.Context, b *block, dir string) (err error) {
	object := b.object(archive.IndexFile)
	f, err := fileutil.OpenMmapFile(filepath.Join(dir, archive.IndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // that the object is missing is known
	}
	if err != nil {
		c.add(IndexUnreadable, object, "%v", err)
		return nil
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := &contentReader{check: c, block: b, data: f.Bytes(), postings: postingsSum{}}
	if b.role != roleDownsampled {
		r.openSegments(dir)
		defer func() { err = errors.Join(err, r.closeSegments()) }()
	}
	// The decoders check every length but those that only a forger writes.
	defer func() {
		if p := recover(); p != nil {
			c.add(IndexUnreadable, object, "decoder gave up: %v", p)
		}
	}()
	if r.index, err = index.NewReader(r.data, index.DecodePostingsRaw); err != nil {
		c.add(IndexUnreadable, object, "%v", err)
		return nil
	}
	if err := r.readAll(ctx); err != nil {
		return err
	}
	r.found.whole = !r.failed
	slices.Sort(r.found.series)
	b.content = r.found
	if b.content.whole && b.role != roleInvisible {
		c.compareStats(b)
	}
	return nil
}

// readAll goes through the index, and through the samples of each series.
func (r *contentReader) readAll(ctx context.Context) error {
	r.checkSymbols()
	all, err := r.readPostings(ctx)
	if err != nil {
		return err
	}
	object := r.object(archive.IndexFile)
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	var previous labels.Labels
	for all.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.index.Series(all.At(), &builder, &metas); err != nil {
			r.failed = true
			r.add(IndexUnreadable, object, "series %d: %v", all.At(), err)
			continue
		}
		series := builder.Labels()
		if r.found.stats.NumSeries > 0 && labels.Compare(previous, series) >= 0 {
			r.add(IndexWrong, object, "series %s does not come after %s", series, previous)
		}
		previous = series
		r.found.stats.NumSeries++
		r.found.series = append(r.found.series, series.Hash())
		r.checkLabels(series)
		r.postings.take(series, all.At())
		r.readChunks(series, metas)
	}
	if !r.failed {
		for _, name := range r.postings.unequal() {
			r.add(IndexWrong, object, "postings of label %q do not list the series that have it", name)
		}
	}
	return nil
}

// checkLabels holds a series to what every reader relies on.
func (r *contentReader) checkLabels(series labels.Labels) {
	object := r.object(archive.IndexFile)
	wrong := func(why string) { r.add(LabelsWrong, object, "series %s %s", series, why) }
	if series.IsEmpty() {
		wrong("has no labels")
	}
	last := ""
	series.Range(func(l labels.Label) {
		switch {
		case l.Name == "":
			wrong("has a label without a name")
		case l.Value == "":
			wrong("has a label without a value: " + l.Name)
		case l.Name == last:
			wrong("has a label twice: " + l.Name)
		case l.Name < last:
			wrong("has labels out of order: " + l.Name)
		}
		last = l.Name
		if _, external := r.meta.Thanos.Labels[l.Name]; external {
			wrong("has an external label, whose value readers would put over its own: " + l.Name)
		}
	})
}

// compareStats holds meta.json's counts to what was found.
func (c *check) compareStats(b *block) {
	said, found := b.meta.stats(), b.content.stats
	wrong := func(what string, said, found uint64) {
		if said != found {
			c.add(MetaWrong, b.object(archive.MetaFile), "stats.%s is %d, the block has %d", what, said, found)
		}
	}
	wrong("numSeries", said.NumSeries, found.NumSeries)
	wrong("numChunks", said.NumChunks, found.NumChunks)
	if b.role == roleDownsampled {
		return
	}
	wrong("numSamples", said.NumSamples, found.NumSamples)
	if said.NumFloatSamples+said.NumHistogramSamples > 0 || b.meta.Thanos.Source == archive.Source { // others need not tell
		wrong("numFloatSamples", said.NumFloatSamples, found.NumFloatSamples)
		wrong("numHistogramSamples", said.NumHistogramSamples, found.NumHistogramSamples)
	}
}

// byteSlice is an index.ByteSlice.
type byteSlice []byte

func (b byteSlice) Len() int                    { return len(b) }
func (b byteSlice) Range(start, end int) []byte { return b[start:end] }
