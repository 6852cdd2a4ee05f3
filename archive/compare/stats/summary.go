package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// A Sample is measurements of one thing, as PromQL gives them. NaN is no
// measurement (nothing happened, nothing was there) and is left out. An infinite
// value is one: larger or smaller than all others, and nothing more is made of
// it than that.
type Sample []float64

// sorted is a copy in ascending order, without NaN.
func (s Sample) sorted() Sample {
	values := s.present()
	slices.Sort(values)
	return values
}

// present is a copy in the same order, without NaN.
func (s Sample) present() Sample {
	values := make(Sample, 0, len(s))
	for _, v := range s {
		if !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

// A Summary is the median of a sample and a confidence interval for the median
// of what it was drawn from, in the unit of the values.
type Summary struct {
	// Center is the median; NaN without values.
	Center float64
	// Low and High are the interval's bounds: order statistics of the sample,
	// -Inf and +Inf where it has too few values for the confidence asked for
	// (below 6 for 0.95).
	Low, High float64
	// N is the number of values, NaN not counted.
	N int
	// Confidence is that of the interval, in 0 to 1: at least what was asked for.
	Confidence float64
}

// Summarize summarises values at a confidence in 0 to 1, as benchstat does
// (benchmath.AssumeNothing): whatever the distribution is, provided the values
// are independent. It does not change its argument.
func Summarize(values Sample, confidence float64) Summary {
	return summarize(values.sorted(), confidence)
}

// summarize is Summarize for a sorted sample, which it may not change.
func summarize(sorted Sample, confidence float64) Summary {
	n := len(sorted)
	if n == 0 {
		return Summary{Center: math.NaN(), Low: math.Inf(-1), High: math.Inf(1), Confidence: 1}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(sorted, &benchmath.DefaultThresholds), confidence)
	if math.IsNaN(s.Center) { // it interpolates between infinite values
		s.Center = sorted[(n-1)/2]
		if above := sorted[n/2]; above != s.Center {
			s.Center += above
		}
	}
	return Summary{Center: s.Center, Low: s.Lo, High: s.Hi, N: n, Confidence: s.Confidence}
}
