package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// autoregressive draws a series of which each value keeps a part phi of how far
// the one before it was from the mean, with a standard deviation of 1, and
// normal or (skewed) log-normal noise.
func autoregressive(random *rand.Rand, n int, phi, mean float64, skewed bool) []float64 {
	noise := func() float64 {
		if skewed {
			return (math.Exp(random.NormFloat64()) - math.Exp(0.5)) / math.Sqrt(math.E*(math.E-1))
		}
		return random.NormFloat64()
	}
	scale, v := math.Sqrt(1-phi*phi), 0.0
	values := make([]float64, n)
	for i := -100; i < n; i++ {
		v = phi*v + scale*noise()
		if i >= 0 {
			values[i] = mean + v
		}
	}
	return values
}

// The table in the package's documentation. Series of one run each, of equal
// distribution or the second one shifted by 20 % at a coefficient of variation
// of 0.1, are reduced to batch means and compared.
func TestComparisonsOfSeries(t *testing.T) {
	const pairs, mean = 2000, 10.0
	for _, skewed := range []bool{false, true} {
		for _, n := range []int{60, 250, 1000} {
			for _, phi := range []float64{0, 0.3, 0.6, 0.9} {
				t.Run(fmt.Sprintf("skewed=%v/n=%d/phi=%v", skewed, n, phi), func(t *testing.T) {
					// Not the series by which Batches' limits were chosen.
					random := rand.New(rand.NewPCG(uint64(n), 7000+uint64(10*phi)))
					compared, alarms, found := 0, 0, 0
					for range pairs {
						base, baseOK, _ := Batches(autoregressive(random, n, phi, mean, skewed))
						same, sameOK, _ := Batches(autoregressive(random, n, phi, mean, skewed))
						if !baseOK || !sameOK {
							continue
						}
						compared++
						if Compare(base, same, 0.05).P <= 0.05 {
							alarms++
						}
						for i := range same {
							same[i] += 0.2 * mean
						}
						if Compare(base, same, 0.05).P <= 0.05 {
							found++
						}
					}
					t.Logf("compared %.0f %%, false alarms %.1f %% of all, %.1f %% of the compared, found %.0f %% of the compared",
						100*float64(compared)/pairs, 100*float64(alarms)/pairs,
						100*float64(alarms)/float64(max(1, compared)), 100*float64(found)/float64(max(1, compared)))
					require.LessOrEqual(t, float64(alarms)/pairs, 0.07)
					if compared > pairs/20 {
						require.LessOrEqual(t, float64(alarms)/float64(compared), 0.1)
					}
					require.GreaterOrEqual(t, float64(found), 0.95*float64(compared))
					if phi <= 0.3 || n == 1000 {
						require.Greater(t, compared, pairs/3)
					}
				})
			}
		}
	}
}

// Independent values need no batches: the level of the tests on values of runs.
func TestFalseAlarmsOfFewValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, sizes := range [][2]int{{4, 4}, {3, 5}, {10, 10}, {12, 12}, {1, 4}, {1, 10}, {10, 1}, {25, 25}} {
		alarms, tiedAlarms := 0, 0
		const pairs = 2000
		for range pairs {
			base, other := draw(random, sizes[0], 0), draw(random, sizes[1], 0)
			if Compare(base, other, 0.05).P <= 0.05 {
				alarms++
			}
			for _, s := range []Sample{base, other} {
				for i := range s {
					s[i] = math.Round(s[i] * 2)
				}
			}
			if c := Compare(base, other, 0.05); c.Method == RankSum && c.P <= 0.05 {
				tiedAlarms++
			}
		}
		require.LessOrEqual(t, float64(alarms)/pairs, 0.065, "%v", sizes)
		require.LessOrEqual(t, float64(tiedAlarms)/pairs, 0.065, "%v with ties", sizes)
	}
}

func draw(random *rand.Rand, n int, mean float64) Sample {
	values := make(Sample, n)
	for i := range values {
		values[i] = mean + random.NormFloat64()
	}
	return values
}
