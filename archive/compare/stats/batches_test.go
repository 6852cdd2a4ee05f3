package stats

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBatches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := draw(random, 64, 10)
	trend, gaps := make(Sample, 300), make(Sample, 0, 128)
	for i := range trend {
		trend[i] = float64(i) + random.NormFloat64()
	}
	for _, v := range noise {
		gaps = append(gaps, v, nan)
	}
	for name, test := range map[string]struct {
		values Sample
		why    string
	}{
		"noise":     {values: noise},
		"gaps":      {values: gaps},
		"none":      {values: Sample{nan}, why: "has no values"},
		"too few":   {values: noise[:15], why: "needs 16 values of a series, has 15"},
		"infinite":  {values: append(slices.Clone(noise), inf), why: "has infinite values"},
		"trend":     {values: trend, why: "the 300 values follow each other too slowly, or have a trend"},
		"two steps": {values: slices.Concat(slices.Repeat(Sample{1}, 100), slices.Repeat(Sample{2}, 100)), why: "the 200 values follow each other too slowly, or have a trend"},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.values)
			means, ok, why := Batches(test.values)
			require.Equal(t, test.why, why)
			require.Equal(t, test.why == "", ok)
			require.Equal(t, len(before), len(test.values))
			if ok {
				require.GreaterOrEqual(t, len(means), leastTested/margin)
				require.LessOrEqual(t, len(means), mostTested/margin)
			} else {
				require.Nil(t, means)
			}
		})
	}
	whole, _, _ := Batches(noise)
	gappy, _, _ := Batches(gaps)
	require.Equal(t, whole, gappy, "gaps are closed")
}

// A series of one value says nothing of how runs vary: it counts once.
func TestBatchesOfConstant(t *testing.T) {
	for _, n := range []int{1, 5, 500} {
		means, ok, _ := Batches(slices.Repeat(Sample{3}, n))
		require.True(t, ok)
		require.Equal(t, []float64{3}, means)
	}
	a, _, _ := Batches(slices.Repeat(Sample{3}, 500))
	b, _, _ := Batches(slices.Repeat(Sample{4}, 500))
	require.False(t, Compare(a, b, 0.05).Enough)
	require.Equal(t, 1.0, Compare(a, a, 0.05).P)
}

func TestBatchMeansLeaveTheStartOut(t *testing.T) {
	require.Equal(t, []float64{2.5, 4.5}, batchMeans([]float64{1, 2, 3, 4, 5}, 2))
}

func BenchmarkBatches(b *testing.B) {
	values := draw(rand.New(rand.NewPCG(1, 2)), 1000, 0)
	b.ReportAllocs()
	for b.Loop() {
		Batches(values)
	}
}
