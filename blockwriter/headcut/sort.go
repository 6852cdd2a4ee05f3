package headcut

import (
	"cmp"
	"slices"
	"sync"
)

// keyed is something to be sorted: id names it, key is the part of it that is
// being looked at.
type keyed struct {
	key uint64
	id  uint32
}

// sorter sorts what is longer than a machine word, strings and lists of ids,
// word by word: it sorts by the first, then those that have the same first by
// the second, and so on. Words lie beside each other in memory, what they were
// taken from does not.
type sorter struct {
	// word gives the depth-th word of what id names, such that words compare as
	// what they were taken from. It is zero behind the end, and only there.
	word func(id uint32, depth int) uint64
	// piece is the number of elements up to which splitting does not pay.
	piece int
	group sync.WaitGroup
}

// sortIDs returns 0 to n-1, sorted by their words. It uses buf's memory if
// there is enough of it.
func sortIDs(buf []keyed, n, workers int, word func(id uint32, depth int) uint64) []keyed {
	all := slices.Grow(buf[:0], n)[:n]
	for i := range all {
		all[i] = keyed{key: word(uint32(i), 0), id: uint32(i)}
	}
	s := sorter{word: word, piece: n}
	if workers > 1 {
		s.piece = max(n/(4*workers), 1<<12)
	}
	s.split(all, 0)
	s.group.Wait()
	return all
}

// split sorts in parallel: it divides until the pieces are small enough for
// one goroutine each.
func (s *sorter) split(all []keyed, depth int) {
	for len(all) > s.piece {
		less, more := partition(all)
		s.fork(all[:less], depth)
		s.fork(all[more:], depth)
		all = all[less:more]
		if all[0].key == 0 {
			return
		}
		depth++
		s.load(all, depth)
	}
	s.sort(all, depth)
}

func (s *sorter) fork(all []keyed, depth int) {
	s.group.Go(func() { s.split(all, depth) })
}

func (s *sorter) sort(all []keyed, depth int) {
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	for len(all) > 1 {
		same := 1
		for same < len(all) && all[same].key == all[0].key {
			same++
		}
		if same > 1 && all[0].key != 0 {
			s.load(all[:same], depth+1)
			s.sort(all[:same], depth+1)
		}
		all = all[same:]
	}
}

func (s *sorter) load(all []keyed, depth int) {
	for i := range all {
		all[i].key = s.word(all[i].id, depth)
	}
}

// partition moves keys below that of one element to the front and keys above
// it to the back: those at less up to more are equal to it.
func partition(all []keyed) (less, more int) {
	pivot := pivotOf(all)
	more = len(all)
	for i := 0; i < more; {
		switch key := all[i].key; {
		case key < pivot:
			all[i], all[less] = all[less], all[i]
			less++
			i++
		case key > pivot:
			more--
			all[i], all[more] = all[more], all[i]
		default:
			i++
		}
	}
	return less, more
}

// pivotOf is the median of some keys from all over.
func pivotOf(all []keyed) uint64 {
	var sample [31]uint64
	for i := range sample {
		sample[i] = all[i*(len(all)-1)/(len(sample)-1)].key
	}
	slices.Sort(sample[:])
	return sample[len(sample)/2]
}
