package stats

import (
	"cmp"
	"math"
	"slices"
)

// Adjust returns the probabilities of many tests, each raised so that of those
// at most alpha, no more than a part of alpha is expected to be false alarms:
// the adjusted p values of the step-up procedure. NaN stays NaN and is not a
// test: so should be passed whatever could not have come out significant, which
// would make the others less so for nothing (Tarone, R. E. (1990). "A Modified
// Bonferroni Method for Discrete Data". Biometrics 46 (2): 515-522).
//
// Benjamini, Y.; Hochberg, Y. (1995). "Controlling the False Discovery Rate: A
// Practical and Powerful Approach to Multiple Testing". Journal of the Royal
// Statistical Society B 57 (1): 289-300. It holds for tests that are independent
// or positively dependent (Benjamini and Yekutieli, 2001).
func Adjust(p []float64) []float64 {
	order := make([]int, 0, len(p))
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := slices.Clone(p)
	least := 1.0
	for k := len(order); k > 0; k-- {
		i := order[k-1]
		least = min(least, p[i]*float64(len(order))/float64(k))
		adjusted[i] = least
	}
	return adjusted
}
