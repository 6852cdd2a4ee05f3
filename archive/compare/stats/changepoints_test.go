package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// threeLevels is test_random_ish_data of MongoDB's signal-processing-algorithms
// (tests/test_detection.py), the implementation of Daly et al. (2020).
var threeLevels = []float64{
	41, 18, 23, 3, 32, 11, 40, 13, 29, 48, 47, 35, 18, 21, 6, 2, 23, 3, 4, 7,
	120, 103, 102, 81, 71, 62, 115, 61, 108, 63, 70, 98, 65, 96, 64, 74, 70, 113, 90, 114,
	208, 196, 153, 150, 225, 179, 206, 165, 177, 151, 218, 217, 244, 245, 229, 195, 225, 229, 176, 250,
}

func levels(sizes []int, values ...float64) (all []float64) {
	for i, n := range sizes {
		all = append(all, slices.Repeat([]float64{values[i]}, n)...)
	}
	return all
}

func indices(points []ChangePoint) []int {
	found := []int{}
	for _, p := range points {
		found = append(found, p.Index)
	}
	return found
}

// The values of q that MongoDB's tests state.
func TestEnergyReference(t *testing.T) {
	outlier := levels([]int{15, 15}, 50, 100)
	outlier[2] = 100
	for _, test := range []struct {
		values []float64
		at     int
		q      float64
	}{
		{threeLevels, 40, 2848.1169590643276},
		{threeLevels[:40], 20, 893.578947368421},
		{outlier, 15, 649.9999999999999},
	} {
		at, q := newEnergy(len(test.values), 2).best(test.values, math.Inf(1))
		require.Equal(t, test.at, at)
		require.InEpsilon(t, test.q, q, 1e-12)
	}
}

// The sums carried along are those of the definition.
func TestEnergyDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		x, minSize := draw(random, 4+random.IntN(20), 0), 2+random.IntN(2)
		at, most := 0, 0.0
		for cut := minSize; cut+minSize <= len(x); cut++ {
			for end := cut + minSize; end <= len(x); end++ {
				if q := definition(x[:cut], x[cut:end]); q > most {
					at, most = cut, q
				}
			}
		}
		gotAt, got := newEnergy(len(x), minSize).best(x, math.Inf(1))
		require.Equal(t, at, gotAt)
		require.InDelta(t, most, got, 1e-9)
	}
}

func definition(left, right []float64) float64 {
	pairs := func(a, b []float64) (sum float64) {
		for _, v := range a {
			sum += distances(v, b)
		}
		return sum
	}
	n, m := float64(len(left)), float64(len(right))
	return n * m / (n + m) * (2*pairs(left, right)/(n*m) - pairs(left, left)/(n*(n-1)) - pairs(right, right)/(m*(m-1)))
}

func TestChangePoints(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		level  float64
		want   []int
	}{
		// The same file as threeLevels.
		"three levels":   {threeLevels, 0.01, []int{20, 40}},
		"one regression": {levels([]int{15, 15}, 50, 100), 0.05, []int{15}},
		"ahead":          {append(levels([]int{14, 1}, 50, 74), levels([]int{15}, 100)...), 0.05, []int{15}},
		"behind":         {append(levels([]int{14, 1}, 50, 76), levels([]int{15}, 100)...), 0.05, []int{14}},
		"no regression":  {levels([]int{30}, 50), 0.05, []int{}},
		// tests/series_test.py of Apache Otava, formerly Hunter.
		"otava, series 1": {[]float64{1.02, 0.95, 0.99, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55}, 0.05, []int{6}},
		"otava, series 2": {[]float64{2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78}, 0.05, []int{4}},
		// Ours.
		"and back":                          {levels([]int{20, 5, 20}, 10, 12, 10), 0.05, []int{20, 25}},
		"without values":                    {nil, 0.05, []int{}},
		"gaps keep the index":               {append([]float64{nan, inf, nan}, levels([]int{6, 6}, 1, 2)...), 0.05, []int{9}},
		"two values are enough after eight": {levels([]int{8, 2}, 1, 2), 0.05, []int{8}},
		"one value is not":                  {levels([]int{20, 1}, 1, 2), 0.05, []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.values)
			points := ChangePoints(test.values, test.level)
			require.Equal(t, test.want, indices(points))
			require.Len(t, test.values, len(before))
			require.Equal(t, points, ChangePoints(test.values, test.level), "the same values, the same answer")
			for _, p := range points {
				require.Greater(t, p.P, 0.0)
				require.LessOrEqual(t, p.P, 0.05)
				require.NotEqual(t, p.Before.Center, p.After.Center)
			}
		})
	}
}

func TestChangePointLevels(t *testing.T) {
	points := ChangePoints(levels([]int{10, 12, 8}, 1, 2, 3), 0.05)
	require.Equal(t, []int{10, 22}, indices(points))
	require.Equal(t, 10, points[0].Before.N)
	require.Equal(t, 12, points[0].After.N)
	require.Equal(t, points[0].After, points[1].Before)
	require.Equal(t, 3.0, points[1].After.Center)
}

func TestMinValues(t *testing.T) {
	for level, want := range map[float64]int{0.05: 8, 0.01: 10} {
		require.Equal(t, want, MinValues(level))
		found, half := 0, want/2
		for seed := range uint64(20) {
			found += len(changePoints(levels([]int{half, want - half}, 1, 2), level, seed))
			require.Empty(t, changePoints(levels([]int{half, want - half - 1}, 1, 2), level, seed))
		}
		require.Greater(t, found, 10, "as many are enough")
	}
}

// Histories without a change: as many have one found as the significance says.
func TestChangePointFalseAlarms(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const histories = 1000
	for _, n := range []int{10, 30} {
		alarms := 0
		for seed := range uint64(histories) {
			if len(changePoints(draw(random, n, 10), 0.05, seed)) > 0 {
				alarms++
			}
		}
		t.Logf("%d values: %.1f %%", n, 100*float64(alarms)/histories)
		require.LessOrEqual(t, float64(alarms)/histories, 0.07)
	}
}

func BenchmarkChangePoints(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{30, 100, 1000} {
		for _, changes := range []int{0, 1, 5} {
			values := draw(random, n, 0)
			for i := range values {
				values[i] += float64(i * (changes + 1) / n % 2 * 5)
			}
			b.Run(strconv.Itoa(n)+" values "+strconv.Itoa(changes)+" changes", func(b *testing.B) {
				for b.Loop() {
					ChangePoints(values, 0.05)
				}
			})
		}
	}
}
