package blockwriter

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/zeebo/xxh3"
)

// series is what the run remembers of a series in the head.
type series struct {
	// hash is that of the labels as they were sent.
	hash xxh3.Uint128
	ref  storage.SeriesRef
	// maxTime is the newest timestamp stored for the series, in ms, or a bound
	// above it where that is not known. A sample behind it may be there already
	// and is looked up; one after it cannot be.
	maxTime int64
	// last holds the bits of the float stored at maxTime, if settled is set. In
	// an alias it is the series' id.
	last uint64
	// next is the id of the series that came after this one the last time.
	next uint32
	// alias marks another spelling of a known series: of the other fields only
	// hash, last and next have a meaning then.
	alias   bool
	settled bool
	// stored is set once a sample of the series was stored.
	stored bool
	// described is set once the sender told the metric's type, help and unit.
	described bool
}

// seriesCache finds series by the hash of their labels as sent, so that labels
// are built once per series and sender, not once per sample. Several spellings
// of one label set (other order, say) lead to one series. It is used under the
// run's append lock.
//
// Every series of the head has an entry, hence entries are small: 48 bytes,
// none of them a pointer that the garbage collector would follow, and at most
// 7.5 in each of two tables. They lie in the order in which the series came
// first. Senders repeat their series in nearly the same order, so that the
// entry that is wanted next is guessed from the last, and is mostly beside it
// in memory. Only where the guess is wrong a table is searched.
type seriesCache struct {
	entries slab
	byHash  idTable
	byRef   idTable
	// previous is the id of the entry that was found last.
	previous uint32
	// floor is an upper bound of the timestamps of every series that is not in
	// the cache: a restart or the head's garbage collection forgot them.
	floor int64
	// stored is how many series of the cache have samples; past holds the label
	// hashes of those of the run's that are not in the cache.
	stored int
	past   map[uint64]struct{}
}

func newSeriesCache() *seriesCache {
	c := &seriesCache{floor: math.MinInt64, past: map[uint64]struct{}{}}
	c.clear()
	return c
}

// clear empties the cache. What is in past stays.
func (c *seriesCache) clear() {
	c.entries, c.byHash, c.byRef = slab{}, idTable{}, idTable{}
	c.byHash, c.byRef = c.byHash.larger(), c.byRef.larger()
	c.entries.add() // id 0 is none
	c.previous, c.stored = 0, 0
}

// count is how many series the run has had.
func (c *seriesCache) count() int { return c.stored + len(c.past) }

// find returns the series that was placed under the hash, or nil. The pointer
// is good until the next sweep.
func (c *seriesCache) find(hash xxh3.Uint128) *series {
	guess := c.entries.at(c.previous).next
	if s := c.entries.at(guess); s.hash == hash && guess != 0 {
		c.previous = guess
		return c.resolved(s)
	}
	id := c.idOf(hash)
	if id == 0 {
		return nil
	}
	c.entries.at(c.previous).next = id
	c.previous = id
	return c.resolved(c.entries.at(id))
}

// resolved is the series that an entry stands for.
func (c *seriesCache) resolved(s *series) *series {
	if s.alias {
		return c.entries.at(uint32(s.last))
	}
	return s
}

func (c *seriesCache) idOf(hash xxh3.Uint128) uint32 {
	for i := c.byHash.home(hash.Lo); ; i = c.byHash.after(i) {
		if id := c.byHash.slots[i]; id == 0 || c.entries.at(id).hash == hash {
			return id
		}
	}
}

// findRef returns the series with the reference, or nil.
func (c *seriesCache) findRef(ref storage.SeriesRef) *series {
	for i := c.byRef.home(uint64(ref)); ; i = c.byRef.after(i) {
		id := c.byRef.slots[i]
		if id == 0 {
			return nil
		}
		if s := c.entries.at(id); s.ref == ref {
			return s
		}
	}
}

// insert adds a series of which neither the hash nor the reference is known,
// and returns the cache's own copy of it.
func (c *seriesCache) insert(hash xxh3.Uint128, s *series, ref storage.SeriesRef) *series {
	inserted := *s
	inserted.hash, inserted.ref = hash, ref
	id := c.add(inserted)
	c.index(&c.byRef, id, byRef)
	return c.entries.at(id)
}

// place makes a series known under another hash or another reference: it came
// in a new spelling, or the head had dropped it and gave it a new number. It
// returns the cache's own copy of the series.
func (c *seriesCache) place(hash xxh3.Uint128, s *series, ref storage.SeriesRef) *series {
	id := c.idOf(hash)
	if known := c.findRef(ref); known != nil {
		if id == 0 {
			c.add(series{hash: hash, alias: true, last: uint64(c.idOf(known.hash))})
		}
		return known
	}
	if id == 0 {
		return c.insert(hash, s, ref)
	}
	if s = c.entries.at(id); s.alias {
		id = uint32(s.last)
		s = c.entries.at(id)
	}
	s.ref = ref
	c.index(&c.byRef, id, byRef)
	return s
}

// add makes an entry.
func (c *seriesCache) add(s series) (id uint32) {
	id = c.entries.add()
	*c.entries.at(id) = s
	c.index(&c.byHash, id, byHash)
	c.entries.at(c.previous).next = id
	c.previous = id
	return id
}

// markStored notes the first sample of a series of the cache.
func (c *seriesCache) markStored(s *series, lset labels.Labels) {
	s.stored = true
	c.stored++
	if len(c.past) > 0 {
		delete(c.past, lset.Hash())
	}
}

// sweep forgets the series that the head has dropped, and gives their memory
// back. Their samples are older than newest, which is what the floor rises to.
func (c *seriesCache) sweep(dropped []droppedSeries, newest int64) {
	gone := make(map[storage.SeriesRef]struct{}, len(dropped))
	for _, d := range dropped {
		s := c.findRef(d.ref)
		if s == nil {
			continue
		}
		if s.stored {
			c.past[d.labelHash] = struct{}{}
		}
		gone[d.ref] = struct{}{}
	}
	if len(gone) == 0 {
		return
	}
	old := c.entries
	c.clear()
	moved := make([]uint32, old.n) // old id to new
	keep := func(id uint32) {
		s := *old.at(id)
		s.next = 0
		if s.alias {
			s.last = uint64(moved[s.last])
		}
		moved[id] = c.add(s)
		if !s.alias {
			c.index(&c.byRef, moved[id], byRef)
		}
		if s.stored {
			c.stored++
		}
	}
	for id := uint32(1); id < old.n; id++ {
		if _, ok := gone[old.at(id).ref]; !ok && !old.at(id).alias {
			keep(id)
		}
	}
	for id := uint32(1); id < old.n; id++ {
		if s := old.at(id); s.alias && moved[s.last] != 0 {
			keep(id)
		}
	}
	c.floor = max(c.floor, newest)
}

// index enters a series into a table, which grows as needed.
func (c *seriesCache) index(t *idTable, id uint32, hashOf func(*series) uint64) {
	if t.full() {
		old := t.slots
		*t = t.larger()
		for _, id := range old {
			if id != 0 {
				t.put(hashOf(c.entries.at(id)), id)
			}
		}
	}
	t.put(hashOf(c.entries.at(id)), id)
}

// What the two tables go by.

func byHash(s *series) uint64 { return s.hash.Lo }
func byRef(s *series) uint64  { return uint64(s.ref) }
