package headcut

import (
	"math/bits"

	"github.com/prometheus/prometheus/storage"
)

// ordinals numbers series by their references: the smallest is 0. References
// are given in order and few are ever dropped, so that a bit for each that may
// be there takes less memory than a map, and is faster.
type ordinals struct {
	first  storage.SeriesRef
	bits   []uint64
	before []uint32 // bits set in the words before
}

// newOrdinals takes the references in ascending order.
func newOrdinals(refs []storage.SeriesRef) *ordinals {
	if len(refs) == 0 {
		return &ordinals{}
	}
	o := &ordinals{first: refs[0]}
	words := (refs[len(refs)-1]-o.first)/64 + 1
	o.bits, o.before = make([]uint64, words), make([]uint32, words)
	for _, ref := range refs {
		at := ref - o.first
		o.bits[at/64] |= 1 << (at % 64)
	}
	sum := 0
	for i, word := range o.bits {
		o.before[i] = uint32(sum)
		sum += bits.OnesCount64(word)
	}
	return o
}

// of is the ordinal of a reference, if it has one.
func (o *ordinals) of(ref storage.SeriesRef) (ordinal uint32, ok bool) {
	at := ref - o.first
	if at/64 >= storage.SeriesRef(len(o.bits)) {
		return 0, false
	}
	word, bit := o.bits[at/64], uint64(1)<<(at%64)
	return o.before[at/64] + uint32(bits.OnesCount64(word&(bit-1))), word&bit != 0
}
