package stats

import (
	"math"
	"sort"

	"github.com/aclements/go-moremath/mathx"
	moremath "github.com/aclements/go-moremath/stats"
)

const (
	// exactUntied and exactTied are the largest products of the sizes of two
	// samples for which the distribution of U is computed and not approximated:
	// 20 against 20 values, or 12 against 12 of which some are equal, which takes
	// a tenth of a millisecond, and above which the approximation is good.
	exactUntied = 400
	exactTied   = 144
	// exactInterval is the same for the interval of the shift, for which the
	// distribution is asked several times.
	exactInterval = 225
)

// ranking is two samples, of sizes n and m, in one order.
type ranking struct {
	n, m int
	u    float64 // pairs of which the first sample's value is the larger, and half of those that are equal
	ties []int   // how many values are equal, in ascending order of the values
}

// rank puts two sorted samples in one order.
func rank(a, b Sample) ranking {
	r := ranking{n: len(a), m: len(b), ties: make([]int, 0, len(a)+len(b))}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		v := math.Inf(1)
		if i < len(a) {
			v = a[i]
		}
		if j < len(b) {
			v = min(v, b[j])
		}
		below, fromA, fromB := j, i, j
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		fromA, fromB = i-fromA, j-fromB
		r.u += float64(fromA) * (float64(below) + float64(fromB)/2)
		r.ties = append(r.ties, fromA+fromB)
	}
	return r
}

// tied says that some values are equal.
func (r ranking) tied() bool {
	return len(r.ties) < r.n+r.m
}

// leastP is the smallest two-sided probability that samples of these sizes can
// have: with all values of one below all of the other. With ties, it is that of
// samples of the same values.
func (r ranking) leastP(ties bool) float64 {
	if !ties {
		return 2 * chance(1, 1, r.n+r.m, r.n)
	}
	return min(1, 2*min(r.lowest(r.n), r.lowest(r.m)))
}

// lowest is the probability that k values drawn from all are the k lowest, or
// equal to those.
func (r ranking) lowest(k int) float64 {
	left := k
	for _, t := range r.ties {
		if left <= t {
			return chance(t, left, r.n+r.m, k)
		}
		left -= t
	}
	return 1
}

// chance is how many ways there are to choose k of n, as a part of those to
// choose l of all.
func chance(n, k, all, l int) float64 {
	if all <= 20 { // exact
		return mathx.Choose(n, k) / mathx.Choose(all, l)
	}
	return math.Exp(mathx.Lchoose(n, k) - mathx.Lchoose(all, l))
}

// p is the two-sided probability of ranks at least as uneven: twice that of the
// tail u is in, by the distribution of that side. With ties the two sides differ
// (moremath.MannWhitneyUTest, and with it benchstat, takes one for the other,
// and finds a probability of 0 for 5 against 1, 1, 1, 2, 2, 3, 3, 3, 3 and 5).
func (r ranking) p() float64 {
	if product := r.n * r.m; product > exactUntied || r.tied() && product > exactTied {
		return r.approximateP()
	}
	dist, u := moremath.UDist{N1: r.n, N2: r.m, T: r.ties}, r.u
	if other := float64(r.n*r.m) - u; other < u {
		dist.N1, dist.N2, u = r.m, r.n, other
	}
	return min(1, 2*dist.CDF(u))
}

// approximateP is p by the normal distribution, corrected for ties and for
// continuity.
func (r ranking) approximateP() float64 {
	ties := 0.0
	for _, t := range r.ties {
		t := float64(t)
		ties += t*t*t - t
	}
	n, product := float64(r.n+r.m), float64(r.n)*float64(r.m)
	deviation := math.Sqrt(product / 12 * (n + 1 - ties/(n*(n-1))))
	distance := max(0, math.Abs(r.u-product/2)-0.5)
	return 2 * moremath.StdNormal.CDF(-distance/deviation)
}

// shiftInterval is the confidence interval, of at least 1-alpha, for what is to
// be added to values like a's to have values like b's: two of the ordered
// differences b-a, those beyond which there are as many as U has in its tails.
// Equal values do not narrow it. It is not ok if a bound is not finite.
//
// Hodges, J. L.; Lehmann, E. L. (1963). "Estimates of Location Based on Rank
// Tests". Annals of Mathematical Statistics 34 (2): 598-611; the interval as in
// Hollander, M.; Wolfe, D. A. (1999). "Nonparametric Statistical Methods",
// section 4.3.
func shiftInterval(a, b Sample, alpha float64) (low, high float64, ok bool) {
	beyond := tail(len(a), len(b), alpha)
	if beyond == 0 {
		return math.NaN(), math.NaN(), false
	}
	if math.IsInf(a[0], 0) || math.IsInf(a[len(a)-1], 0) || math.IsInf(b[0], 0) || math.IsInf(b[len(b)-1], 0) {
		return math.NaN(), math.NaN(), false
	}
	return nthDifference(a, b, beyond), nthDifference(a, b, len(a)*len(b)-beyond+1), true
}

// tail is the largest number k for which U is below k in at most alpha/2 of all
// cases, without ties.
func tail(n, m int, alpha float64) int {
	product := float64(n) * float64(m)
	if n*m > exactInterval {
		deviation := math.Sqrt(product / 12 * float64(n+m+1))
		return max(0, int(product/2+moremath.StdNormal.InvCDF(alpha/2)*deviation))
	}
	dist := moremath.UDist{N1: n, N2: m}
	return sort.Search(n*m/2, func(k int) bool { return 2*dist.CDF(float64(k)) > alpha })
}

// nthDifference is the k-th smallest, from 1 on, of the differences of each
// value of b and each of a, both sorted and finite. It looks for the smallest
// number that so many differences do not exceed, by bisecting the numbers in
// between: there is no list of differences, which may be a million.
func nthDifference(a, b Sample, k int) float64 {
	low, high := ordinal(b[0]-a[len(a)-1]), ordinal(b[len(b)-1]-a[0])
	for low < high {
		middle := low + (high-low)/2
		if atMost(a, b, fromOrdinal(middle)) < k {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return fromOrdinal(low) + 0 // no negative zero
}

// atMost is how many differences of b and a, both sorted, are at most limit.
func atMost(a, b Sample, limit float64) int {
	count, j := 0, len(a)
	for _, v := range b {
		// The larger v, the fewer of the smallest a are near enough.
		for j > 0 && v-a[len(a)-j] > limit {
			j--
		}
		count += j
	}
	return count
}

// ordinal numbers the floating point numbers in ascending order.
func ordinal(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

func fromOrdinal(n uint64) float64 {
	if n>>63 == 0 {
		return math.Float64frombits(^n)
	}
	return math.Float64frombits(n &^ (1 << 63))
}
