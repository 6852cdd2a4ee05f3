package headcut

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
)

// TestSameSamples holds blocks against the library's, for every kind of sample
// and every way in which a head may have it.
func TestSameSamples(t *testing.T) {
	gauge := func(i int) sample { return sample{v: math.Sin(float64(i)) * 1e6} }
	for _, tc := range []struct {
		name    string
		samples []sample
	}{
		{"one", every(15_000, 1000, 1, counting)},
		{"one chunk", every(15_000, 1000, 20, counting)},
		{"a full chunk", every(15_000, 1000, 120, counting)},
		{"many chunks", every(5_000, 1000, 1000, gauge)},
		{"constant", every(15_000, 1000, 50, func(int) sample { return sample{v: 1} })},
		{"not a number", every(15_000, 1000, 50, func(i int) sample {
			return sample{v: []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}[i%5]}
		})},
		{"stale", every(15_000, 1000, 40, func(i int) sample {
			if i%7 == 6 {
				return sample{v: math.Float64frombits(value.StaleNaN)}
			}
			return gauge(i)
		})},
		{"far apart", every(600_000, -3_000_000, 12, gauge)},
		{"histograms", every(15_000, 1000, 300, func(i int) sample { return sample{h: tsdbutil.GenerateTestHistogram(int64(i))} })},
		{"histograms that are reset", every(15_000, 1000, 100, func(i int) sample { return sample{h: tsdbutil.GenerateTestHistogram(int64(i % 9))} })},
		{"histograms that gain buckets", every(15_000, 1000, 60, func(i int) sample { return sample{h: growing(i)} })},
		{"gauge histograms", every(15_000, 1000, 200, func(i int) sample { return sample{h: tsdbutil.GenerateTestGaugeHistogram(int64(i * 7 % 30))} })},
		{"custom buckets", every(15_000, 1000, 200, func(i int) sample { return sample{h: tsdbutil.GenerateTestCustomBucketsHistogram(int64(i))} })},
		{"float histograms", every(15_000, 1000, 200, func(i int) sample { return sample{fh: tsdbutil.GenerateTestFloatHistogram(int64(i))} })},
		{"gauge float histograms", every(15_000, 1000, 50, func(i int) sample { return sample{fh: tsdbutil.GenerateTestGaugeFloatHistogram(int64(i * 7 % 30))} })},
		{"custom buckets of floats", every(15_000, 1000, 50, func(i int) sample { return sample{fh: tsdbutil.GenerateTestCustomBucketsFloatHistogram(int64(i))} })},
		{"stale histograms", every(15_000, 1000, 50, func(i int) sample {
			if i%5 == 4 {
				return sample{h: &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)}}
			}
			return sample{h: tsdbutil.GenerateTestHistogram(int64(i))}
		})},
		{"all kinds in turn", every(15_000, 1000, 90, func(i int) sample {
			switch i / 10 % 3 {
			case 0:
				return sample{h: tsdbutil.GenerateTestHistogram(int64(i))}
			case 1:
				return sample{fh: tsdbutil.GenerateTestFloatHistogram(int64(i))}
			}
			return counting(i)
		})},
		{"start timestamps", every(15_000, 31_000, 50, func(i int) sample { return sample{st: 1 + int64(i/20)*300_000, v: float64(i)} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := openDB(t, t.TempDir(), func(o *tsdb.Options) { o.EnableSTAsZeroSample = true })
			head := db.Head()
			b := newBatch(t, head)
			b.add(metric("m", "series", "1"), tc.samples...)
			b.add(metric("m", "series", "0"), tc.samples[:(len(tc.samples)+1)/2]...)
			b.add(metric("other"), every(15_000, tc.samples[0].t, 3, counting)...)
			b.commit()
			mint, maxt := head.MinTime(), head.MaxTime()
			requireSame(t, head, mint, maxt, Options{})
			db.ForceHeadMMap()
			requireSame(t, head, mint, maxt, Options{})
			requireSame(t, head, mint, maxt, Options{SegmentSize: 700})
		})
	}
}

// growing is a histogram that has a bucket more from time to time.
func growing(i int) *histogram.Histogram {
	h := &histogram.Histogram{Schema: 1, ZeroThreshold: 1e-9, Count: uint64(i), Sum: float64(i)}
	h.PositiveSpans = []histogram.Span{{Offset: 0, Length: uint32(1 + i/10)}}
	h.PositiveBuckets = make([]int64, 1+i/10)
	h.PositiveBuckets[0] = int64(i / (1 + i/10))
	h.ZeroCount = uint64(i) - uint64(i/(1+i/10)*(1+i/10))
	return h
}

// TestSameRange cuts at, right before and right behind the beginnings and ends
// of chunks.
func TestSameRange(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	head := db.Head()
	write(t, head, metric("floats"), every(10_000, 0, 300, counting)...)
	write(t, head, metric("mapped"), every(5_000, 500_000, 400, counting)...)
	db.ForceHeadMMap()
	write(t, head, metric("histograms"), every(10_000, 3, 200, func(i int) sample { return sample{h: tsdbutil.GenerateTestHistogram(int64(i))} })...)
	write(t, head, metric("short"), every(10_000, 1_000_000, 2, counting)...)
	write(t, head, metric("late"), every(10_000, 2_900_000, 5, counting)...)
	var edges []int64
	for _, at := range []int64{head.MinTime(), 500_000, 1_000_000, 1_010_000, 1_200_000, 1_995_000, head.MaxTime()} {
		edges = append(edges, at-1, at, at+1)
	}
	for i, mint := range edges {
		for _, maxt := range edges[i:] {
			requireSame(t, head, mint, maxt, Options{Workers: 2})
		}
	}
	require.Empty(t, requireSame(t, head, -5000, -1, Options{}), "before everything")
	require.Empty(t, requireSame(t, head, head.MaxTime()+1, head.MaxTime()+5000, Options{}), "behind everything")
}

// TestSameDeleted has one deletion in each series: with several, the library
// panics where the end of a block falls between them (tombstones.Intervals.Add).
func TestSameDeleted(t *testing.T) {
	for _, r := range [][2]int64{
		{0, math.MaxInt64},
		{0, 150_000},
		{100_000, 100_000},
		{100_000, 2_000_000},
		{1_000_000, 2_500_000}, // whole chunks
		{2_000_000, math.MaxInt64},
		{5_000, 5_001}, // between samples
	} {
		db := openDB(t, t.TempDir(), nil)
		head := db.Head()
		for i := range 4 {
			write(t, head, metric("m", "i", fmt.Sprint(i)), every(10_000, 0, 300, counting)...)
			write(t, head, metric("h", "i", fmt.Sprint(i)), every(10_000, 0, 100, func(i int) sample { return sample{h: tsdbutil.GenerateTestHistogram(int64(i))} })...)
		}
		require.NoError(t, head.Delete(t.Context(), r[0], r[1], labels.MustNewMatcher(labels.MatchRegexp, "i", "1|2")))
		requireSame(t, head, head.MinTime(), head.MaxTime(), Options{})
		requireSame(t, head, head.MinTime(), 1_500_000, Options{})
		db.ForceHeadMMap()
		requireSame(t, head, head.MinTime(), head.MaxTime(), Options{})
	}
}

func TestSameSegments(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	b := newBatch(t, db.Head())
	for i := range 12 {
		b.add(metric("m", "i", fmt.Sprint(i)), every(10_000, 0, 1+i*i*7%700, func(j int) sample { return sample{v: float64(i*j) / 3} })...)
	}
	b.commit()
	for _, mapped := range []bool{false, true} {
		if mapped {
			db.ForceHeadMMap()
		}
		for _, size := range []int64{1, 8, 9, 100, 200, 300, 301, 302, 500, 999, 4096, 1 << 20} {
			requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{SegmentSize: size, Workers: 3})
		}
	}
}

func TestSameLabels(t *testing.T) {
	long := func(n int) string { return strings.Repeat("long", n/4+1)[:n] }
	for name, series := range map[string][][]string{
		"one":            {{"__name__", "m"}},
		"no metric name": {{"a", "b"}, {"b", "a"}},
		"only names":     {{"__name__", "a"}, {"__name__", "aa"}, {"__name__", "a\x00"}, {"__name__", "aaaaaaa"}, {"__name__", "aaaaaaab"}, {"__name__", "aaaaaaaa"}},
		"prefixes":       {{"__name__", "m"}, {"__name__", "m", "a", "1"}, {"__name__", "m", "a", "1", "b", "1"}, {"__name__", "m", "b", "1"}},
		"values as names": {
			{"__name__", "a", "a", "a"}, {"__name__", "b", "b", "a"}, {"__name__", "__name__", "b", "b"}, {"a", "__name__"},
		},
		"same values":            {{"a", "x", "b", "x", "c", "x"}, {"a", "x", "b", "y", "c", "x"}, {"a", "y", "b", "x", "c", "x"}},
		"upper case":             {{"A", "x", "__name__", "m"}, {"__name__", "m", "a", "x"}, {"Z", "x", "_", "y", "__name__", "m"}},
		"unicode":                {{"__name__", "été", "größe", "ß", "日本", "語"}, {"__name__", "ete", "größe", "ss"}, {"__name__", "\U0001f600"}},
		"not unicode":            {{"__name__", "m", "a", "\xff\xfe"}, {"__name__", "m", "a", "\xff"}, {"__name__", "m", "a", "\x00"}},
		"varint sizes":           {{"__name__", long(127)}, {"__name__", long(128)}, {"__name__", long(16383)}, {"__name__", long(16384)}},
		"long":                   {{"__name__", long(65_535)}, {"__name__", long(65_536)}, {"__name__", long(70_000) + "a"}, {"__name__", long(70_000) + "b"}},
		"longer than the buffer": {{"__name__", "m", "a", long(indexBuffer - 20)}, {"__name__", "m", "a", long(indexBuffer)}, {"__name__", "m", "a", long(indexBuffer + 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			head := newHead(t)
			for _, lset := range series {
				write(t, head, labels.FromStrings(lset...), every(15_000, 0, 3, counting)...)
			}
			requireSame(t, head, 0, head.MaxTime(), Options{})
		})
	}
	t.Run("hundreds", func(t *testing.T) {
		head := newHead(t)
		for i := range 5 {
			b := labels.NewBuilder(metric("m"))
			for j := range 150 * (i + 1) {
				b.Set(fmt.Sprintf("label_%d", j), fmt.Sprint(j%(i+1)))
			}
			write(t, head, b.Labels(), every(15_000, 0, 3, counting)...)
		}
		requireSame(t, head, 0, head.MaxTime(), Options{Workers: 2})
	})
}

// TestSameSeriesOutside has series that are not in the block: their labels are
// among its symbols all the same.
func TestSameSeriesOutside(t *testing.T) {
	head := newHead(t)
	b := newBatch(t, head)
	for i := range 3000 {
		b.add(metric("m", "i", fmt.Sprint(i), "only", fmt.Sprint(i%100)), every(15_000, int64(i%100)*10_000, 3, counting)...)
	}
	b.commit()
	requireSame(t, head, 100_000, 120_000, Options{Workers: 2})
	requireSame(t, head, 100_001, 100_002, Options{Workers: 2})
}

func TestSameWithAnyNumberOfWorkers(t *testing.T) {
	head := newHead(t)
	b := newBatch(t, head)
	for i := range 6000 {
		b.add(metric(fmt.Sprint("m", i%7), "pod", fmt.Sprint("pod-", i), "x", fmt.Sprint(i%11)), every(15_000, 1000, 1+i%200, counting)...)
	}
	b.commit()
	for workers := 1; workers <= 8; workers++ {
		requireSame(t, head, 0, head.MaxTime(), Options{Workers: workers, SegmentSize: 50_000})
	}
}

// TestSameAfterReplay restores heads from their logs and mapped chunks.
func TestSameAfterReplay(t *testing.T) {
	dir := t.TempDir()
	logged := func(o *tsdb.Options) { o.WALSegmentSize = 0 }
	db := openDB(t, dir, logged)
	fill := func(head *tsdb.Head, from int64) {
		for i := range 20 {
			write(t, head, metric("m", "i", fmt.Sprint(i)), every(10_000, from, 10+i*15, func(j int) sample { return sample{v: float64(j / 9)} })...)
			write(t, head, metric("h", "i", fmt.Sprint(i)), every(10_000, from, 10+i*15, func(j int) sample { return sample{h: tsdbutil.GenerateTestHistogram(int64(j))} })...)
		}
	}
	fill(db.Head(), 0)
	db.ForceHeadMMap()
	require.NoError(t, db.Close())

	db = openDB(t, dir, logged)
	requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{})
	fill(db.Head(), 3_600_000)
	requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{})
	requireSame(t, db.Head(), 1_000_000, 4_000_000, Options{})
}

// TestSameAfterTruncation cuts a head whose first series are gone.
func TestSameAfterTruncation(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	head := db.Head()
	b := newBatch(t, head)
	for i := range 500 {
		b.add(metric("m", "i", fmt.Sprint(i)), every(60_000, int64(i%2)*blockRange, 50+i%100, counting)...)
	}
	b.commit()
	require.NoError(t, db.CompactHead(tsdb.NewRangeHead(head, 0, blockRange-1)))
	require.Less(t, head.NumSeries(), uint64(500))
	requireSame(t, head, blockRange, head.MaxTime(), Options{})
	requireSame(t, head, blockRange, 2*blockRange-1, Options{Workers: 2})
}

// TestSameEncodings has chunks that benchkeep does not write, as nothing
// depends on it.
func TestSameEncodings(t *testing.T) {
	db := openDB(t, t.TempDir(), func(o *tsdb.Options) { o.FloatChunkEncoding = chunkenc.EncXOR2 })
	write(t, db.Head(), metric("m"), every(15_000, 0, 200, counting)...)
	requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{})
	db.ForceHeadMMap()
	requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{})
}

func TestSameWithIsolation(t *testing.T) {
	db := openDB(t, t.TempDir(), func(o *tsdb.Options) { o.IsolationDisabled = false })
	write(t, db.Head(), metric("m"), every(15_000, 0, 200, counting)...)
	requireSame(t, db.Head(), 0, db.Head().MaxTime(), Options{})
}

// TestSameRandom cuts random heads at random times. The name of a test that
// fails tells its seed.
func TestSameRandom(t *testing.T) {
	for range 15 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			db := openDB(t, t.TempDir(), nil)
			randomHead(t, rnd, db)
			head := db.Head()
			for range 4 {
				mint := head.MinTime() + rnd.Int64N(head.MaxTime()-head.MinTime())/2
				maxt := mint + rnd.Int64N(head.MaxTime()-mint+2)
				requireSame(t, head, mint, maxt, Options{Workers: 1 + rnd.IntN(8), SegmentSize: 500 + rnd.Int64N(40_000)})
			}
			from := rnd.Int64N(blockRange / 2)
			m := labels.MustNewMatcher(labels.MatchRegexp, "l00", fmt.Sprintf(".*%d", rnd.IntN(10)))
			require.NoError(t, head.Delete(t.Context(), from, from+rnd.Int64N(blockRange), m))
			requireSame(t, head, head.MinTime(), head.MaxTime(), Options{})
		})
	}
}

func randomHead(t *testing.T, rnd *rand.Rand, db *tsdb.DB) {
	names := 1 + rnd.IntN(12)
	perName := 1 + rnd.IntN(60)
	seen := map[string]bool{}
	for range 1 + rnd.IntN(400) {
		b := labels.NewScratchBuilder(names)
		for n := range names {
			if rnd.IntN(4) > 0 || n == 0 {
				b.Add(fmt.Sprintf("l%02d", n), strings.Repeat("v", rnd.IntN(20))+fmt.Sprint(rnd.IntN(perName)))
			}
		}
		lset := b.Labels()
		if seen[lset.String()] {
			continue
		}
		seen[lset.String()] = true
		step, kind := 1+rnd.Int64N(60_000), rnd.IntN(8)
		write(t, db.Head(), lset, random(rnd, step, kind, 1+rnd.IntN(int(min(400, blockRange/2/step))))...)
		if rnd.IntN(50) == 0 {
			db.ForceHeadMMap()
		}
	}
}

func random(rnd *rand.Rand, step int64, kind, n int) []sample {
	return every(step, 0, n, func(i int) sample {
		switch kind {
		case 0:
			return sample{h: tsdbutil.GenerateTestHistogram(rnd.Int64N(100))}
		case 1:
			return sample{fh: tsdbutil.GenerateTestFloatHistogram(int64(i))}
		case 2:
			return sample{v: rnd.NormFloat64()}
		default:
			return sample{v: float64(rnd.IntN(1000))}
		}
	})
}
