package blockwriter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

func hashOf(i int) xxh3.Uint128 { return xxh3.HashString128(fmt.Sprint(i)) }

func labelsOf(i int) labels.Labels { return labels.FromStrings("__name__", fmt.Sprint(i)) }

// filled is a cache of n stored series, numbered from 0, with references from 1.
func filled(n int) *seriesCache {
	c := newSeriesCache()
	for i := range n {
		s := c.insert(hashOf(i), &series{maxTime: int64(i)}, storage.SeriesRef(i+1))
		c.markStored(s, labelsOf(i))
	}
	return c
}

func TestCacheFindsSeriesInAnyOrder(t *testing.T) {
	const n = 20_000
	c := filled(n)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, arrange := range []func(){
		func() {}, // as they came
		func() { slices.Reverse(order) },
		func() { random.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] }) },
		func() {}, // the same again: every guess is right
		func() { order = append(order[n/2:], order[:n/2]...) },
	} {
		arrange()
		for _, i := range order {
			s := c.find(hashOf(i))
			require.NotNil(t, s)
			require.Equal(t, int64(i), s.maxTime)
			require.Same(t, s, c.findRef(storage.SeriesRef(i+1)))
			require.Nil(t, c.find(hashOf(n+i)))
		}
	}
	require.Nil(t, c.findRef(n+1))
	require.Nil(t, c.find(xxh3.Uint128{}), "id 0 is none")
	require.Equal(t, n, c.count())
}

// TestCacheGuessesRight counts how often a table has to be searched.
func TestCacheGuessesRight(t *testing.T) {
	const n = 5000
	c := filled(n)
	c.find(hashOf(n - 1))
	for range 2 { // the first round makes the ends meet
		for i := range n {
			c.find(hashOf(i))
		}
	}
	c.byHash = idTable{slots: make([]uint32, 1)} // a search finds nothing now
	for i := range n {
		require.NotNil(t, c.find(hashOf(i)), "series %d", i)
	}
}

func TestCacheKnowsSpellings(t *testing.T) {
	c := filled(10)
	s := c.place(hashOf(100), &series{maxTime: 7}, 4)
	require.Same(t, c.find(hashOf(3)), s, "the series of the reference")
	require.Same(t, s, c.find(hashOf(100)))
	require.Same(t, s, c.find(hashOf(100)), "also by guess")
	require.Equal(t, 10, c.count())

	// The head drops it and gives it a new number, found by the other spelling.
	require.Same(t, s, c.place(hashOf(100), s, 44))
	require.Same(t, s, c.findRef(44))
	require.Nil(t, c.findRef(4))
	require.Same(t, s, c.find(hashOf(3)))

	c.sweep([]droppedSeries{{ref: 44, labelHash: labelsOf(3).Hash()}}, 1)
	require.Nil(t, c.find(hashOf(3)))
	require.Nil(t, c.find(hashOf(100)), "a spelling goes with its series")
	require.Equal(t, 10, c.count(), "it has been a series of the run")
}

func TestCacheForgetsWhatTheHeadDropped(t *testing.T) {
	const n = 10_000
	c := filled(n)
	c.place(hashOf(n), &series{}, 2) // spellings of one that goes
	c.place(hashOf(n+1), &series{}, 3)
	var dropped []droppedSeries
	for i := 1; i < n; i += 2 {
		dropped = append(dropped, droppedSeries{ref: storage.SeriesRef(i + 1), labelHash: labelsOf(i).Hash()})
	}
	dropped = append(dropped, droppedSeries{ref: 5 * n}) // that was never stored
	c.sweep(dropped, 123)
	require.Equal(t, int64(123), c.floor)
	require.Equal(t, n, c.count())
	for i := range n {
		s, byRef := c.find(hashOf(i)), c.findRef(storage.SeriesRef(i+1))
		if i%2 == 1 {
			require.Nil(t, s)
			require.Nil(t, byRef)
			continue
		}
		require.Same(t, s, byRef)
		require.Equal(t, int64(i), s.maxTime)
	}
	require.Nil(t, c.find(hashOf(n)))
	require.Same(t, c.findRef(3), c.find(hashOf(n+1)))
	require.Less(t, len(c.entries.pieces), n/slabPiece+1, "memory goes back")

	// One of them comes again: the run has no more series than before.
	s := c.insert(hashOf(1), &series{maxTime: c.floor}, 10*n)
	c.markStored(s, labelsOf(1))
	require.Equal(t, n, c.count())
	require.Same(t, s, c.find(hashOf(1)))
}

// TestCacheTakesLittleMemory holds the figure of docs/performance.md, whatever
// the number of series.
func TestCacheTakesLittleMemory(t *testing.T) {
	require.EqualValues(t, 48, unsafe.Sizeof(series{}))
	c := newSeriesCache()
	for i := range 1_000_000 {
		c.insert(hashOf(i), &series{}, storage.SeriesRef(i+1))
		if n := i + 1; n >= 100_000 && n%1000 == 0 {
			bytes := len(c.entries.pieces)*slabPiece*48 + 4*(len(c.byHash.slots)+len(c.byRef.slots))
			require.LessOrEqual(t, bytes, 64*n, "%d series", n)
		}
	}
}
