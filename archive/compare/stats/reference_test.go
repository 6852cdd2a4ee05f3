package stats

import (
	"math"
	"testing"

	moremath "github.com/aclements/go-moremath/stats"
	"github.com/stretchr/testify/require"
)

// Hollander, M.; Wolfe, D. A. (1973). "Nonparametric Statistical Methods", p. 69,
// which is the example of R's wilcox.test: its one-sided P is 0.1272. The interval
// lies between the 9th smallest and the 9th largest of the 50 differences: U is
// below 9 in 4.0 % of all cases of both sides, and below 10 in 5.5 %.
func TestRankSumHollanderWolfe(t *testing.T) {
	term := Sample{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	early := Sample{1.15, 0.88, 0.90, 0.74, 1.21}
	c := Compare(term, early, 0.05)
	require.Equal(t, RankSum, c.Method)
	require.InDelta(t, 2*0.1272, c.P, 1e-4)
	require.InDelta(t, -0.76/1.415, c.ChangeLow, 1e-9)
	require.InDelta(t, 0.15/1.415, c.ChangeHigh, 1e-9)
}

// StatXact 4 for Windows, manual p. 221 (diastolic blood pressure, with ties):
// the exact one-sided P is 0.0542; and the example of dperm in R's
// exactRankTests: 0.004351204.
func TestRankSumTies(t *testing.T) {
	for _, test := range []struct {
		a, b     Sample
		oneSided float64
	}{
		{Sample{94, 108, 110, 90}, Sample{80, 94, 85, 90, 90, 90, 108, 94, 78, 105, 88}, 0.05421},
		{Sample{0.5, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9}, Sample{0.5, 1.0, 1.2, 1.2, 1.4, 1.5, 1.9, 2.0}, 0.004351204},
	} {
		require.InDelta(t, 2*test.oneSided, Compare(test.a, test.b, 0.05).P, 2e-5)
		require.InDelta(t, 2*test.oneSided, Compare(test.b, test.a, 0.05).P, 2e-5)
	}
}

// The example of Crawford and Howell (1998), p. 483, is a score of 33 against 15
// controls with a mean of 50 and a standard deviation of 10; by their formula, t
// is -17/(10·sqrt(16/15)). P is that of Student's t test of two samples of which
// one has one value.
func TestCrawfordHowell(t *testing.T) {
	far := math.Sqrt(700) // gives 15 values a standard deviation of 10
	controls := Sample{50 - far, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50 + far}
	score, ok := crawfordHowell(controls, 33)
	require.True(t, ok)
	require.InDelta(t, -1.646, score.difference/score.scale, 5e-4)
	c := Compare(controls, Sample{33}, 0.05)
	require.Equal(t, OneAgainstMany, c.Method)
	student, err := moremath.TwoSampleTTest(moremath.Sample{Xs: controls}, onlyOne(33), moremath.LocationDiffers)
	require.NoError(t, err)
	require.InDelta(t, student.P, c.P, 1e-12)
}

// The data are Student's (1908), "The Probable Error of a Mean", of the sleep that
// two drugs give; the numbers are what R's documentation of t.test has of them:
// t = -1.8608, df = 17.776, p-value = 0.07939, interval -3.3654832 to 0.2054832.
func TestWelch(t *testing.T) {
	first := Sample{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	second := Sample{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	got, ok := welch(second.sorted(), first.sorted())
	require.True(t, ok)
	require.InDelta(t, -1.8608, got.difference/got.scale, 5e-5)
	require.InDelta(t, 17.776, got.dof, 5e-4)
	require.InDelta(t, 0.07939, got.p(), 5e-6)
	low, high := got.interval(0.05)
	require.InDelta(t, -3.3654832, low, 5e-8)
	require.InDelta(t, 0.2054832, high, 5e-8)

	// One of many comparisons: ranks of ten and ten could not reach its P.
	require.Equal(t, RankSum, Compare(first, second, 0.05).Method)
	require.Equal(t, FewAgainstFew, CompareOneOf(10_000, first, second, 0.05).Method)
}

// onlyOne is a sample of one value; its variance counts for nothing.
type onlyOne float64

func (v onlyOne) Weight() float64   { return 1 }
func (v onlyOne) Mean() float64     { return float64(v) }
func (v onlyOne) Variance() float64 { return 0 }

// Critical values of any table of Student's t, two-sided 5 %.
func TestStudentInterval(t *testing.T) {
	for dof, critical := range map[float64]float64{3: 3.182, 4: 2.776, 9: 2.262, 14: 2.145, 30: 2.042} {
		low, high := studentT{difference: 1, scale: 2, dof: dof}.interval(0.05)
		require.InDelta(t, 1-2*critical, low, 2e-3)
		require.InDelta(t, 1+2*critical, high, 2e-3)
		require.InDelta(t, 0.05, studentT{difference: critical, scale: 1, dof: dof}.p(), 1e-4)
	}
}

// The 15 probabilities of Benjamini and Hochberg (1995), section 4: their
// procedure finds 4 at 0.05, Bonferroni's 3.
func TestAdjustBenjaminiHochberg(t *testing.T) {
	p := []float64{
		0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459,
		0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1,
	}
	found := 0
	for _, v := range Adjust(p) {
		if v <= 0.05 {
			found++
		}
	}
	require.Equal(t, 4, found)
	// By the definition: the least of p·15/rank from each rank on.
	want := []float64{0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571, 0.0638571, 0.0645, 0.0765, 0.486, 0.5811818, 0.714875, 0.7532308, 0.8132143, 1}
	require.InDeltaSlice(t, want, Adjust(p), 1e-6)
}

// The ratio of ranks is that of Bartels, R. (1982). "The Rank Version of von
// Neumann's Ratio Test for Randomness". JASA 77 (377): 40-46; his example of
// stock levels has 2.048485.
func TestNeumannRatioBartels(t *testing.T) {
	stocks := Sample{528, 348, 264, -20, -167, 575, 410, -4, 430, -122}
	sorted := stocks.sorted()
	ranks := make([]float64, len(stocks))
	for i, v := range stocks {
		for sorted[int(ranks[i])] != v {
			ranks[i]++
		}
	}
	require.InDelta(t, 2.048485, neumannRatio(ranks), 1e-6)
}

// Over every order of eight values the mean of the ratio is 2, and as many orders
// are improbable as should be.
func TestVonNeumannLevel(t *testing.T) {
	values := []float64{0.03, 0.4, 0.9, 1.1, 1.7, 1.8, 2.6, 3.3}
	orders, at5, at20, sum := 0, 0, 0, 0.0
	permute(values, len(values), func() {
		orders++
		sum += neumannRatio(values)
		switch p := vonNeumann(values); {
		case p <= 0.05:
			at5++
			fallthrough
		case p <= 0.2:
			at20++
		}
	})
	require.Equal(t, 40320, orders)
	require.InDelta(t, 2, sum/float64(orders), 1e-9)
	require.InDelta(t, 0.05, float64(at5)/float64(orders), 0.01)
	require.InDelta(t, 0.2, float64(at20)/float64(orders), 0.02)
}

// permute calls visit with every order of the first n values.
func permute(values []float64, n int, visit func()) {
	if n == 1 {
		visit()
		return
	}
	for i := range n {
		values[i], values[n-1] = values[n-1], values[i]
		permute(values, n-1, visit)
		values[i], values[n-1] = values[n-1], values[i]
	}
}
