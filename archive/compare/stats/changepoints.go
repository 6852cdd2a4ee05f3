package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/mathx"
)

// minSize is the least number of values that make a level: a change shows at the
// second value after it, if there are eight before it. More of them would
// overlook short levels.
const minSize = 2

// permutations is how many other orders of the values P is estimated with: 199
// for a significance of 0.05.
func permutations(significance float64) int { return int(math.Ceil(10/significance)) - 1 }

// A ChangePoint is where a history leaves one level for another.
type ChangePoint struct {
	// Index is that of the first value of the new level.
	Index int
	// P is the estimated probability of a change as clear as this one if the
	// values came in any other order: at least a tenth of the significance.
	P float64
	// Before and After summarise the levels on both sides, each up to the next
	// change point, at a confidence of 1-significance.
	Before, After Summary
}

// MinValues is the least number of values in which ChangePoints can find any
// change at a significance, however large: 8 at 0.05. In fewer, one of a few
// possible orders is no evidence. They have to be half before and half after the
// change; 2 values after one are enough in 10. With just so few, whether a change is
// found can depend on the orders that are tried.
func MinValues(significance float64) int {
	n := 2 * minSize
	for 2/mathx.Choose(n, n/2) > significance {
		n++
	}
	return n
}

// ChangePoints finds where the distribution of the values of a history changes,
// in the order of their indices, by E-divisive means: the history is cut in two
// where both sides differ most in energy distance, then the parts likewise,
// until a cut is no better than the best one in values that are put in any other
// order inside their parts: P is at most the significance. Which orders are tried
// is always the same, and so is the answer.
//
// It takes values of different runs to be independent. NaN and infinite values
// are left out; indices are those of the argument, which is not changed. The
// time it takes grows with the square of the number of values, and with that of
// change points.
//
// Matteson, D. S.; James, N. A. (2014). "A Nonparametric Approach for Multiple
// Change Point Analysis of Multivariate Data". Journal of the American
// Statistical Association 109 (505): 334-345, with an exponent of 1. For
// performance in CI: Daly, D. et al. (2020). "The Use of Change Point Detection
// to Identify Software Performance Regressions in a Continuous Integration
// System". ICPE '20: 67-75.
func ChangePoints(values []float64, significance float64) []ChangePoint {
	return changePoints(values, significance, 0)
}

// changePoints is ChangePoints with orders that a seed chooses.
func changePoints(values []float64, significance float64, seed uint64) []ChangePoint {
	finite, indices := make([]float64, 0, len(values)), make([]int, 0, len(values))
	for i, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			finite, indices = append(finite, v), append(indices, i)
		}
	}
	if len(finite) < MinValues(significance) {
		return nil // too few orders: an estimate of P below it would be chance
	}
	d := divisive{significance: significance, values: finite, energy: newEnergy(len(finite), minSize)}
	d.divide(rand.New(rand.NewPCG(seed, 0)))
	points := make([]ChangePoint, len(d.parts)-1)
	for i, after := range d.parts[1:] {
		before := d.parts[i]
		points[i] = ChangePoint{
			Index:  indices[after.start],
			P:      after.p,
			Before: Summarize(finite[before.start:before.end], 1-significance),
			After:  Summarize(finite[after.start:after.end], 1-significance),
		}
	}
	return points
}

// divisive is a division of values in progress.
type divisive struct {
	significance float64
	values       []float64
	energy       *energy
	parts        []part // in order
}

// A part is values that belong together so far, up to and without end.
type part struct {
	start, end int
	p          float64 // of the cut it starts with
	cut        int     // the best place to start another part
	gain       float64 // the statistic of that; 0 if there is none
}

func (d *divisive) newPart(start, end int, p float64) part {
	cut, gain := d.energy.best(d.values[start:end], math.Inf(1))
	return part{start: start, end: end, p: p, cut: start + cut, gain: gain}
}

// divide cuts until a cut is not significant.
func (d *divisive) divide(random *rand.Rand) {
	d.parts = []part{d.newPart(0, len(d.values), 0)}
	for {
		best := slices.MaxFunc(d.parts, func(a, b part) int { return cmp.Compare(a.gain, b.gain) })
		if best.gain <= 0 {
			return
		}
		p := d.permutationTest(best.gain, random)
		if p > d.significance {
			return
		}
		i := slices.IndexFunc(d.parts, func(p part) bool { return p.start == best.start })
		d.parts = slices.Replace(d.parts, i, i+1,
			d.newPart(best.start, best.cut, best.p), d.newPart(best.cut, best.end, p))
	}
}

// permutationTest estimates the probability that the best cut of all parts gains
// as much, if the values of each part are put in any other order. It stops, with
// too little, where that is certain to be more than what is significant. The
// order found is one of the possible ones and counts (Phipson, B.; Smyth, G. K.
// (2010). "Permutation P-values Should Never Be Zero". Statistical Applications
// in Genetics and Molecular Biology 9 (1): 39).
func (d *divisive) permutationTest(gain float64, random *rand.Rand) float64 {
	gain *= 1 - 1e-9 // another order adds up with another rounding
	shuffled := slices.Clone(d.values)
	tries, reached, p := permutations(d.significance), 1, 0.0
	for range tries {
		if d.reaches(gain, shuffled, random) {
			reached++
		}
		if p = float64(reached) / float64(tries+1); p > d.significance {
			break
		}
	}
	return p
}

// reaches puts values in another order inside each part, and says whether a cut
// of any then gains as much.
func (d *divisive) reaches(gain float64, values []float64, random *rand.Rand) bool {
	reached := false
	for _, p := range d.parts {
		part := values[p.start:p.end]
		random.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		if !reached {
			_, most := d.energy.best(part, gain)
			reached = most >= gain
		}
	}
	return reached
}
