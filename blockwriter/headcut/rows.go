package headcut

// rows are the label pairs of series, ascending in each, one series behind the
// other.
type rows struct {
	starts []int // and where the last one ends
	pairs  []uint32
}

func (r *rows) of(series uint32) []uint32 {
	return r.pairs[r.starts[series]:r.starts[series+1]]
}

// rows turns postings around: from the series of pairs to the pairs of series.
func (l postings) rows(d *dictionary, series int) *rows {
	// Filling a row moves its start to its end, which is where the next one
	// starts: hence one more, and each a place further back at first.
	starts := make([]int, series+2)
	for _, list := range l {
		for _, s := range list {
			starts[s+2]++
		}
	}
	for i := range series {
		starts[i+2] += starts[i+1]
	}
	r := &rows{starts: starts[:series+1], pairs: make([]uint32, starts[series+1])}
	for i, list := range l {
		for j, p := range d.pairsOf(i) {
			for _, s := range list[:p.series] {
				r.pairs[starts[s+1]] = uint32(i*pairsPerList + j)
				starts[s+1]++
			}
			list = list[p.series:]
		}
	}
	return r
}

// sorted gives the series in the order of their labels. It may use the memory
// of buf.
func (r *rows) sorted(buf []keyed, workers int) []keyed {
	return sortIDs(buf, len(r.starts)-1, workers, func(id uint32, depth int) uint64 { return rowWord(r.of(id), depth) })
}

// rowWord is a sorter's word of a row: two pairs, of those behind the one that
// all series have.
func rowWord(row []uint32, depth int) (word uint64) {
	row = row[min(allSeries+1+2*depth, len(row)):]
	if len(row) > 0 {
		word = uint64(row[0]) << 32
	}
	if len(row) > 1 {
		word |= uint64(row[1])
	}
	return word
}
