package headcut

import (
	"context"
	"iter"
	"slices"

	"github.com/prometheus/prometheus/tsdb/index"
)

// dictionary numbers the label pairs of a head: sorted by name, then by value.
// Two series compare as the lists of their pairs' numbers do.
type dictionary struct {
	names []labelName
	pairs []pair
	texts []string // values, in no order
}

type labelName struct {
	text   string
	symbol uint32
}

// pair is a label name with one of its values.
type pair struct {
	name   uint32 // in dictionary.names
	value  uint32 // in dictionary.texts
	symbol uint32 // of the value
	series uint32 // how many have it
	end    uint32 // of its postings, in the list they are in
}

// symbols are the distinct names and values, in order.
type symbols struct {
	texts []string
	order []keyed // in texts
	size  int     // bytes in the symbol table
}

// readLabels reads all label names and values of the head. Some may be of no
// series in the block: those have symbols all the same, but no postings.
func (src *source) readLabels(ctx context.Context) error {
	head, err := src.block.Index()
	if err != nil {
		return err
	}
	defer head.Close()
	all, err := head.LabelNames(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 { // there are series, but the head's range begins later
		return errUnknown
	}
	// The pair that stands for all series is nobody's label, but has postings.
	// Being empty, it is the first of all pairs, and of every series.
	noName, noValue := index.AllPostingsKey()
	names, values := []string{noName}, [][]string{{noValue}}
	for _, name := range all {
		v, err := head.LabelValues(ctx, name, nil)
		if err != nil {
			return err
		}
		if len(v) > 0 {
			names, values = append(names, name), append(values, v)
		}
	}
	texts := slices.Concat(append(values, names)...)
	order := sortIDs(nil, len(texts), src.workers, func(id uint32, depth int) uint64 { return textWord(texts[id], depth) })
	src.labels, src.symbols = number(names, values, texts, order)
	return nil
}

// allSeries is the number of the pair that every series has.
const allSeries = 0

// number gives names, values and pairs their numbers. It takes the values of
// each name, all texts, which are those values and then the names, and their
// order.
func number(names []string, values [][]string, texts []string, order []keyed) (*dictionary, *symbols) {
	count := len(texts) - len(names)
	d := &dictionary{names: make([]labelName, len(names)), pairs: make([]pair, count), texts: texts}
	first := make([]uint32, len(names)) // pair of each name
	for i, name := range names {
		d.names[i].text = name
		if i > 0 {
			first[i] = first[i-1] + uint32(len(values[i-1]))
		}
	}
	next := slices.Clone(first)
	s := &symbols{texts: texts, order: order[:0]}
	for _, o := range order {
		text := texts[o.id]
		if n := len(s.order); n == 0 || text != texts[s.order[n-1].id] {
			s.order = append(s.order, o)
			s.size += textSize(text)
		}
		symbol := uint32(len(s.order) - 1)
		if int(o.id) >= count {
			d.names[int(o.id)-count].symbol = symbol
			continue
		}
		name, isFirst := slices.BinarySearch(first, o.id)
		if !isFirst {
			name--
		}
		d.pairs[next[name]] = pair{name: uint32(name), value: o.id, symbol: symbol}
		next[name]++
	}
	return d, s
}

// text gives a pair's name and value.
func (d *dictionary) text(p *pair) (name, value string) {
	return d.names[p.name].text, d.texts[p.value]
}

func (s *symbols) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, o := range s.order {
			if !yield(s.texts[o.id]) {
				return
			}
		}
	}
}

// textWord is a sorter's word of a string: seven bytes, and how many of them
// there are, or 8 if more follow.
func textWord(text string, depth int) uint64 {
	const width = 7
	if depth*width >= len(text) {
		return 0
	}
	text = text[depth*width:]
	if len(text) > width {
		return uint64(text[6])<<8 | uint64(text[5])<<16 | uint64(text[4])<<24 | uint64(text[3])<<32 |
			uint64(text[2])<<40 | uint64(text[1])<<48 | uint64(text[0])<<56 | (width + 1)
	}
	word := uint64(len(text))
	for i := range len(text) {
		word |= uint64(text[i]) << (56 - 8*i)
	}
	return word
}
