package blockwriter

import (
	"math"

	"github.com/prometheus/prometheus/storage"
	"github.com/zeebo/xxh3"
)

// series is what the run remembers of a series in the head.
type series struct {
	ref storage.SeriesRef
	// maxTime is the newest timestamp stored for the series, in ms, or a bound
	// above it where that is not known. A sample behind it may be there already
	// and is looked up; one after it cannot be.
	maxTime int64
	// last holds the bits of the float stored at maxTime, if settled is set.
	last    uint64
	settled bool
	// described is set once the sender told the metric's type, help and unit.
	described bool
}

// seriesCache finds series by the hash of their labels as sent, so that labels
// are built once per series and sender, not once per sample. Several spellings
// of one label set share one entry. It is used under the run's append lock.
type seriesCache struct {
	byHash map[xxh3.Uint128]*series
	byRef  map[storage.SeriesRef]*series
	// floor is an upper bound of the timestamps of every series that is not in
	// the cache: a restart or the head's garbage collection forgot them.
	floor int64
}

func newSeriesCache() *seriesCache {
	return &seriesCache{
		byHash: map[xxh3.Uint128]*series{},
		byRef:  map[storage.SeriesRef]*series{},
		floor:  math.MinInt64,
	}
}

// place makes s known under the hash and under its reference in the head,
// which is a new one where the head had dropped the series.
func (c *seriesCache) place(hash xxh3.Uint128, s *series, ref storage.SeriesRef) {
	if s.ref != ref {
		delete(c.byRef, s.ref)
	}
	s.ref = ref
	c.byHash[hash] = s
	c.byRef[ref] = s
}

// sweep forgets the series that the head has dropped. Their samples are older
// than newest, which is what the floor rises to.
func (c *seriesCache) sweep(dropped []storage.SeriesRef, newest int64) {
	gone := make(map[*series]struct{}, len(dropped))
	for _, ref := range dropped {
		if s, ok := c.byRef[ref]; ok {
			gone[s] = struct{}{}
			delete(c.byRef, ref)
		}
	}
	if len(gone) == 0 {
		return
	}
	for hash, s := range c.byHash {
		if _, ok := gone[s]; ok {
			delete(c.byHash, hash)
		}
	}
	c.floor = max(c.floor, newest)
}
