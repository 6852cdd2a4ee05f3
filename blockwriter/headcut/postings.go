package headcut

import (
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"math"

	"github.com/prometheus/prometheus/tsdb/index"
)

// postings are the series of label pairs, the pairs standing one behind the
// other, some in each list. At first they are numbers of series. As these are
// written, their places in the index come to stand there instead, in the order
// of the block: that is the form in which postings are written.
type postings [][]uint32

const pairsPerList = 64

// pairsOf are the pairs whose series are in a list.
func (d *dictionary) pairsOf(list int) []pair {
	return d.pairs[list*pairsPerList : min((list+1)*pairsPerList, len(d.pairs))]
}

// readPostings reads the head's postings, and counts the series of each pair.
// That takes a lookup per pair, where asking the series for their labels would
// take one for each label of each series.
func (src *source) readPostings(ctx context.Context) error {
	known := newOrdinals(src.series.refs)
	src.postings = make(postings, (len(src.labels.pairs)+pairsPerList-1)/pairsPerList)
	return parallel(ctx, src.workers, len(src.postings), func(ctx context.Context, jobs iter.Seq[int]) error {
		head, err := src.block.Index()
		if err != nil {
			return err
		}
		defer head.Close()
		var found [pairsPerList]index.Postings
		value := make([]string, 1)
		for job := range jobs {
			pairs, total := src.labels.pairsOf(job), 0
			for i := range pairs {
				var name string
				name, value[0] = src.labels.text(&pairs[i])
				if found[i], err = head.Postings(ctx, name, value...); err != nil {
					return err
				}
				if l, ok := found[i].(interface{ Len() int }); ok {
					total += l.Len()
				}
			}
			if total > math.MaxUint32 {
				return errUnknown
			}
			list := make([]uint32, 0, total)
			for i := range pairs {
				before := len(list)
				for found[i].Next() {
					if number, ok := known.of(found[i].At()); ok {
						list = append(list, number)
					}
				}
				if err := found[i].Err(); err != nil {
					return err
				}
				pairs[i].series = uint32(len(list) - before)
			}
			src.postings[job] = list
		}
		return nil
	})
}

// clear makes room for the places of series in the index.
func (l postings) clear(d *dictionary) {
	for i := range l {
		end := uint32(0)
		pairs := d.pairsOf(i)
		for j := range pairs {
			pairs[j].end = end
			end += pairs[j].series
		}
	}
}

// add appends the place of a series to the postings of its pairs.
func (l postings) add(d *dictionary, row []uint32, place uint32) {
	for _, p := range row {
		pair := &d.pairs[p]
		l[p/pairsPerList][pair.end] = place
		pair.end++
	}
}

// all gives the pairs that have series in the block, and the places of those.
func (l postings) all(d *dictionary) iter.Seq2[*pair, []uint32] {
	return func(yield func(*pair, []uint32) bool) {
		for i, list := range l {
			pairs := d.pairsOf(i)
			for j := range pairs {
				p := &pairs[j]
				if p.series > 0 && !yield(p, list[p.end-p.series:p.end]) {
					return
				}
			}
		}
	}
}

// writePostings writes, pair by pair, where the series are that have it. What
// a list takes is a multiple of four bytes, so that only the first needs to be
// aligned.
func (x *indexFile) writePostings(d *dictionary, l postings) error {
	x.toc.LabelIndices, x.toc.Postings = uint64(x.size), uint64(x.size)
	if err := x.pad(4); err != nil {
		return err
	}
	x.postings = x.size
	for _, places := range l.all(d) {
		x.uint32(uint32(4 + 4*len(places)))
		x.begin()
		x.uint32(uint32(len(places)))
		for _, place := range places {
			x.uint32(place)
		}
		x.checksum()
	}
	return x.flush()
}

// writePostingsTable writes where the postings of each pair are.
func (x *indexFile) writePostingsTable(d *dictionary, l postings) error {
	x.toc.LabelIndicesTable, x.toc.PostingsTable = uint64(x.size), uint64(x.size)
	count, size := 0, 4
	for p, offset := range x.lists(d, l) {
		name, value := d.text(p)
		count++
		size += 1 + textSize(name) + textSize(value) + uvarintSize(offset)
	}
	if size > math.MaxUint32 {
		return fmt.Errorf("%w: %d", index.ErrPostingsOffsetTableTooLarge, size)
	}
	x.uint32(uint32(size))
	x.begin()
	x.uint32(uint32(count))
	for p, offset := range x.lists(d, l) {
		name, value := d.text(p)
		x.uvarint(2) // strings that follow
		x.text(name)
		x.text(value)
		x.uvarint(offset)
	}
	x.checksum()
	return x.flush()
}

// lists gives the pairs that have series in the block, and the offsets of their
// postings.
func (x *indexFile) lists(d *dictionary, l postings) iter.Seq2[*pair, uint64] {
	return func(yield func(*pair, uint64) bool) {
		offset := uint64(x.postings)
		for p, places := range l.all(d) {
			if !yield(p, offset) {
				return
			}
			offset += uint64(4 + 4 + 4*len(places) + crc32.Size)
		}
	}
}
