package check

import (
	"bytes"
	"context"
	"hash/crc32"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/encoding"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/archive"
)

// checkSymbols checks the order of the symbols, which look-ups rely on.
func (r *contentReader) checkSymbols() {
	object := r.object(archive.IndexFile)
	symbols := r.index.Symbols()
	for i, last := 0, ""; symbols.Next(); i++ {
		if symbol := symbols.At(); i > 0 && symbol <= last {
			r.add(IndexWrong, object, "symbol %q does not come after %q", symbol, last)
		}
		last = symbols.At()
	}
	if err := symbols.Err(); err != nil {
		r.failed = true
		r.add(IndexUnreadable, object, "symbols: %v", err)
	}
}

// readPostings reads all lists of series, and returns the one of all series.
//
// Source: Prometheus' tsdb/docs/format/index.md.
func (r *contentReader) readPostings(ctx context.Context) (all index.Postings, err error) {
	toc, err := index.NewTOCFromByteSlice(r.data)
	if err != nil {
		return nil, err // the reader of the index has read it before
	}
	object := r.object(archive.IndexFile)
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	allName, allValue := index.AllPostingsKey()
	all = index.EmptyPostings()
	var lastName, lastValue []byte
	err = index.ReadPostingsOffsetTable(r.data, toc.PostingsTable, func(name, value []byte, offset uint64, _ int) error {
		if lastName != nil && (bytes.Compare(name, lastName) < 0 || bytes.Equal(name, lastName) && bytes.Compare(value, lastValue) <= 0) {
			r.add(IndexWrong, object, "postings of %s=%q do not come after those of %s=%q", name, value, lastName, lastValue)
		}
		lastName, lastValue = name, value
		_, list, err := index.DecodePostingsRaw(encoding.NewDecbufAt(r.data, int(offset), castagnoli))
		if err != nil {
			r.failed = true
			r.add(IndexUnreadable, object, "postings of %s=%q: %v", name, value, err)
			return nil
		}
		if string(name) == allName && string(value) == allValue {
			all = list
			return ctx.Err()
		}
		if !r.postings.put(name, value, list) {
			r.add(IndexWrong, object, "postings of %s=%q are not in order", name, value)
		}
		return ctx.Err()
	})
	return all, err
}

// postingsSum compares the lists of series that the index has for each label
// with the labels that the series have, in memory for the names of labels
// only: by name, a sum of hashes of value and series, to which the lists add
// and from which the series take. The order does not matter, and what is the
// same on both sides leaves zero.
type postingsSum map[string]*uint64

func (p postingsSum) of(name string) *uint64 {
	sum := p[name]
	if sum == nil {
		sum = new(uint64)
		p[name] = sum
	}
	return sum
}

// put adds the list of a label, and reports whether it is in order.
func (p postingsSum) put(name, value []byte, list index.Postings) (ordered bool) {
	sum, last := p.of(string(name)), storage.SeriesRef(0)
	ordered = true
	for list.Next() {
		ordered = ordered && list.At() > last
		last = list.At()
		*sum += xxh3.HashSeed(value, uint64(last))
	}
	return ordered
}

// take takes away a series.
func (p postingsSum) take(series labels.Labels, ref storage.SeriesRef) {
	series.Range(func(l labels.Label) {
		*p.of(l.Name) -= xxh3.HashStringSeed(l.Value, uint64(ref))
	})
}

// unequal are the names of labels whose lists and series differ, sorted.
func (p postingsSum) unequal() (names []string) {
	for name, sum := range p {
		if *sum != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
