package blockwriter

// slab holds series at ids that count up from 0, in pieces, so that it grows
// without moving them.
type slab struct {
	pieces [][]series
	n      uint32
}

const slabPiece = 1 << 10 // series in a piece

func (s *slab) at(id uint32) *series { return &s.pieces[id/slabPiece][id%slabPiece] }

// add makes room for one more series and returns its id.
func (s *slab) add() uint32 {
	if int(s.n) == len(s.pieces)*slabPiece {
		s.pieces = append(s.pieces, make([]series, slabPiece))
	}
	s.n++
	return s.n - 1
}

// idTable finds ids by hash: open addressing, linear probing. Whether an id is
// the one that is looked for, only its series tells. Id 0 is an empty slot.
type idTable struct {
	slots []uint32
	n     int
}

// The table grows by half where four of five slots are taken, so that a series
// takes 5 to 7.5 bytes in it.
func (t *idTable) full() bool { return t.n >= len(t.slots)/5*4 }

func (t *idTable) larger() idTable {
	return idTable{slots: make([]uint32, max(len(t.slots)/2*3, 1000))}
}

// home is the slot at which to look for a hash first. Numbers that count up,
// as references do, come to lie side by side.
func (t *idTable) home(hash uint64) int { return int(hash % uint64(len(t.slots))) }

// after is the slot to look at next.
func (t *idTable) after(slot int) int {
	if slot++; slot == len(t.slots) {
		return 0
	}
	return slot
}

// put adds an id; there must be room.
func (t *idTable) put(hash uint64, id uint32) {
	i := t.home(hash)
	for t.slots[i] != 0 {
		i = t.after(i)
	}
	t.slots[i] = id
	t.n++
}
