package stats

import (
	"math"

	moremath "github.com/aclements/go-moremath/stats"
)

// A studentT is one value against many, in the terms of Student's t.
type studentT struct {
	difference float64 // of the one from the mean of the many
	scale      float64 // the difference's standard error
	dof        float64
}

// crawfordHowell compares one value with many:
//
//	t = (x - mean) / (s * sqrt((n+1)/n)), with n-1 degrees of freedom
//
// It is not ok if the many have no spread, or one that is not finite.
//
// Crawford, J. R.; Howell, D. C. (1998). "Comparing an Individual's Test Score
// Against Norms Derived from Small Samples". The Clinical Neuropsychologist
// 12 (4): 482-486, after Sokal and Rohlf's "Biometry", "comparison of a single
// observation with the mean of a sample".
func crawfordHowell(many Sample, one float64) (t studentT, ok bool) {
	n := float64(len(many))
	t = studentT{
		difference: one - moremath.Mean(many),
		scale:      moremath.StdDev(many) * math.Sqrt((n+1)/n),
		dof:        n - 1,
	}
	same := many[0] == many[len(many)-1] // rounding may leave them a spread
	return t, !same && t.scale > 0 && !math.IsInf(t.difference/t.scale, 0) && !math.IsNaN(t.difference/t.scale)
}

// p is the two-sided probability of a difference at least as large.
func (t studentT) p() float64 {
	return 2 * moremath.TDist{V: t.dof}.CDF(-math.Abs(t.difference/t.scale))
}

// interval is that of the difference, at a confidence of 1-alpha.
func (t studentT) interval(alpha float64) (low, high float64) {
	half := t.scale * -moremath.InvCDF(moremath.TDist{V: t.dof})(alpha/2)
	return t.difference - half, t.difference + half
}
