package stats

import (
	"fmt"
	"math"
)

// A Method is the test a comparison used.
type Method string

const (
	// RankSum is the test of Mann and Whitney (1947), also Wilcoxon's rank-sum
	// test: it takes nothing for granted but that values are independent.
	RankSum Method = "Mann-Whitney U"
	// OneAgainstMany is the modified t test of Crawford and Howell (1998): one
	// value against a few, which it takes to be normally distributed.
	OneAgainstMany Method = "Crawford-Howell t"
	// FewAgainstFew is the t test of Welch (1947), for samples of which no order
	// of ranks could be unlikely enough: it takes values to be normally
	// distributed, with a spread of their own on each side.
	FewAgainstFew Method = "Welch t"
)

// leastMany is the least number of values OneAgainstMany takes for many.
const leastMany = 4

// A Comparison is what two samples tell about what they were drawn from.
type Comparison struct {
	// Method is the test used; empty if there are not enough values for one.
	Method Method
	// P is the probability of samples at least as different if both were drawn
	// from the same distribution, two-sided. The difference is significant if P
	// is at most the alpha that Compare was given. NaN unless Enough.
	P float64
	// Base and New are the samples' summaries, at a confidence of 1-alpha.
	Base, New Summary
	// Change is the difference of the medians as a part of the base's: 0.2 is
	// 20 % more. It is 0 where they are equal, and NaN where the base's alone is
	// 0, or not finite, or where a sample is empty.
	Change float64
	// ChangeLow and ChangeHigh are a confidence interval of at least 1-alpha for
	// the shift from base to new, as a part of the base's median: that of Hodges
	// and Lehmann for RankSum, that of the t test for OneAgainstMany. It is an
	// interval for the shift and not for the difference of the medians, which
	// can lie outside of it where the shapes of the samples differ. NaN where
	// there is none.
	ChangeLow, ChangeHigh float64
	// Enough says that the values could have shown a difference at alpha, had
	// there been one. Why says what is missing where they could not.
	Enough bool
	Why    string
}

// Compare tests whether two samples of independent values differ, at a
// significance of alpha (0.05: one in twenty comparisons of equals is
// significant). It takes the rank-sum test if samples of these sizes, and with
// these values equal to each other, could be different enough for a P of alpha;
// or else Welch's, or of one value against at least four, Crawford and Howell's.
// Otherwise it says that there are too few values, and gives no P. Samples of
// which all values are the same one have a P of 1, whatever their sizes.
//
// It does not change its arguments. Values of a time series are not independent:
// see [Batches].
func Compare(base, other Sample, alpha float64) Comparison {
	return CompareOneOf(1, base, other, alpha)
}

// CompareOneOf is Compare for one of so many comparisons, which together go by
// [Adjust]: the rank-sum test is taken only if it could give a P that would be
// alpha after that, were it the only one that is not by chance.
func CompareOneOf(comparisons int, base, other Sample, alpha float64) Comparison {
	reach := alpha / float64(max(comparisons, 1))
	base, other = base.sorted(), other.sorted()
	c := Comparison{
		P: math.NaN(), ChangeLow: math.NaN(), ChangeHigh: math.NaN(),
		Base: summarize(base, 1-alpha), New: summarize(other, 1-alpha),
	}
	c.Change = relative(c.New.Center-c.Base.Center, c.Base.Center)
	if c.New.Center == c.Base.Center {
		c.Change = 0
	}
	n, m := len(base), len(other)
	if n == 0 || m == 0 {
		c.Why = tooFew(n, m)
		return c
	}
	low, high, bounded := math.NaN(), math.NaN(), false
	ranks := rank(base, other)
	switch many, one := larger(base, other); {
	case len(ranks.ties) == 1:
		c.Method, c.P, c.Enough = RankSum, 1, true
		low, high, bounded = 0, 0, ranks.leastP(false) <= alpha
	case ranks.leastP(true) <= reach:
		c.Method, c.P, c.Enough = RankSum, ranks.p(), true
		low, high, bounded = shiftInterval(base, other, alpha)
	case ranks.leastP(false) <= reach: // not normally distributed either
		c.Why = fmt.Sprintf("too many of the %d and %d values are equal to each other", n, m)
	case len(one) > 1:
		t, ok := welch(base, other)
		if !ok {
			c.Why = fmt.Sprintf("neither the %d nor the %d values have a spread to compare them by", n, m)
			break
		}
		c.Method, c.P, c.Enough = FewAgainstFew, t.p(), true
		low, high = t.interval(alpha)
		bounded = true
	case len(many) < leastMany:
		c.Why = tooFew(n, m)
	default:
		t, ok := crawfordHowell(many, one[0])
		if !ok {
			c.Why = fmt.Sprintf("the %d values against one have no spread to compare it with", len(many))
			break
		}
		c.Method, c.P, c.Enough = OneAgainstMany, t.p(), true
		low, high = t.interval(alpha)
		if m > 1 { // the one is the base: the shift is seen from there
			low, high = -high, -low
		}
		bounded = true
	}
	if bounded {
		c.ChangeLow, c.ChangeHigh = relative(low, c.Base.Center), relative(high, c.Base.Center)
	}
	return c
}

// larger are two samples, the larger first.
func larger(a, b Sample) (many, one Sample) {
	if len(a) < len(b) {
		return b, a
	}
	return a, b
}

// relative is a difference as a part of what it is a difference from; NaN where
// that is none.
func relative(difference, from float64) float64 {
	if from == 0 || math.IsInf(from, 0) {
		return math.NaN()
	}
	return difference / math.Abs(from)
}

// tooFew says how many values a comparison needs.
func tooFew(n, m int) string {
	return fmt.Sprintf("needs 2 values a side, or one against %d; has %d and %d", leastMany, n, m)
}
