package stats

import (
	"math"

	moremath "github.com/aclements/go-moremath/stats"
)

// A studentT is a difference in the terms of Student's t.
type studentT struct {
	difference float64 // of means, or of one value from the mean of many
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

// welch compares the means of two samples:
//
//	t = (mean2 - mean1) / sqrt(v1 + v2), v being a sample's variance over its size,
//
// with (v1 + v2)^2 / (v1^2/(n1-1) + v2^2/(n2-1)) degrees of freedom. It is not ok if
// neither has a spread, or one has one that is not finite.
//
// Welch, B. L. (1947). "The Generalization of 'Student's' Problem when Several
// Different Population Variances are Involved". Biometrika 34 (1-2): 28-35.
func welch(a, b Sample) (t studentT, ok bool) {
	n, m := float64(len(a)), float64(len(b))
	va, vb := spread(a)/n, spread(b)/m
	t = studentT{
		difference: moremath.Mean(b) - moremath.Mean(a),
		scale:      math.Sqrt(va + vb),
		dof:        (va + vb) * (va + vb) / (va*va/(n-1) + vb*vb/(m-1)),
	}
	return t, t.scale > 0 && !math.IsInf(t.difference/t.scale, 0) && !math.IsNaN(t.difference/t.scale)
}

// spread is the variance of a sorted sample. Rounding may leave equal values one.
func spread(s Sample) float64 {
	if s[0] == s[len(s)-1] {
		return 0
	}
	return moremath.Variance(s)
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
