package stats

import (
	"fmt"
	"math"

	moremath "github.com/aclements/go-moremath/stats"
)

const (
	// leastTested and mostTested bound how many batches are tested for
	// independence. Fishman's least is eight, for which the distribution of the
	// ratio is near enough to the normal one; but among so few, dependence is
	// overlooked too often. More than 64 make small batches, of which the means
	// are distributed as unevenly as the values, and differently in two series
	// with batches of different sizes: the rank-sum test takes that for a
	// difference. And there is little to gain beyond some thirty (Schmeiser, B.
	// (1982). "Batch Size Effects in the Analysis of Simulation Output".
	// Operations Research 30 (3): 556-568).
	leastTested = 16
	mostTested  = 64
	// independence is how improbable an order of batches has to be for them to be
	// taken for dependent.
	independence = 0.05
	// margin is how many batches that pass for independent make one.
	margin = 4
)

// Batches reduces the series of one run, whose values depend on those before
// them, to means of batches of it that are nearly independent, as [Compare]
// needs them: at least 4, and at most 16. The size of the batches is doubled
// until von Neumann's ratio, of at least 16 of them, no longer shows that a mean
// depends on the one before it, and then made four times that, because what the
// test overlooks is less in larger batches: see the package's documentation for
// what that is worth.
//
// It is not ok, and why says so, if no size will do: the series has a trend or a
// warm-up in it, or is too short for how slowly it changes; or if it has an
// infinite value. A series of one value throughout is that one value, however
// long it is: what varies between runs does not show in it. Gaps, which are NaN,
// are closed: what comes after one depends less on what was before it.
//
// Fishman, G. S. (1978). "Grouping Observations in Digital Simulation".
// Management Science 24 (5): 510-521.
func Batches(values Sample) (means []float64, ok bool, why string) {
	x := values.present()
	if len(x) == 0 {
		return nil, false, "has no values"
	}
	constant := true
	for _, v := range x {
		if math.IsInf(v, 0) {
			return nil, false, "has infinite values"
		}
		constant = constant && v == x[0]
	}
	if constant {
		return x[:1], true, ""
	}
	if len(x) < leastTested {
		return nil, false, fmt.Sprintf("needs %d values of a series, has %d", leastTested, len(x))
	}
	for size := (len(x) + mostTested - 1) / mostTested; len(x)/size >= leastTested; size *= 2 {
		if vonNeumann(batchMeans(x, size)) > independence {
			return batchMeans(x, margin*size), true, ""
		}
	}
	return nil, false, fmt.Sprintf("the %d values follow each other too slowly, or have a trend", len(x))
}

// batchMeans are the means of batches of a size. What is too much is left out at
// the start, where a run is least like itself.
func batchMeans(x []float64, size int) []float64 {
	x = x[len(x)%size:]
	means := make([]float64, len(x)/size)
	for i := range means {
		means[i] = moremath.Mean(x[i*size : (i+1)*size])
	}
	return means
}

// vonNeumann is the probability, if all values were independent, of values at
// least as like the ones before them, by the ratio of the mean squared
// difference of successive values to the variance: 2 if they are independent, 0
// if they hardly differ from one to the next.
//
// von Neumann, J. (1941). "Distribution of the Ratio of the Mean Square
// Successive Difference to the Variance". Annals of Mathematical Statistics
// 12 (4): 367-395. By the normal distribution, as Fishman does from 8 values on.
func vonNeumann(x []float64) float64 {
	c, n := 1-neumannRatio(x)/2, float64(len(x))
	return moremath.StdNormal.CDF(-c / math.Sqrt((n-2)/(n*n-1)))
}

// neumannRatio is the sum of the squared differences of successive values, as a
// part of that of the squared differences from the mean; 2 if all are equal.
func neumannRatio(x []float64) float64 {
	mean := moremath.Mean(x)
	var successive, squares float64
	for i, v := range x {
		squares += (v - mean) * (v - mean)
		if i > 0 {
			successive += (v - x[i-1]) * (v - x[i-1])
		}
	}
	if squares == 0 {
		return 2
	}
	return successive / squares
}
