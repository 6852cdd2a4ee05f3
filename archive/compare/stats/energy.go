package stats

import "math"

// energy finds where to cut values in two. It keeps the room it needs.
type energy struct {
	minSize int
	inverse []float64 // of its index
	// For a left side that ends at t, and every end k of the right side: the sums
	// of the distances of all pairs inside of the right side, and of all pairs of
	// both sides.
	within, between []float64
}

// newEnergy is for at most n values and sides of at least minSize, which is at
// least 2.
func newEnergy(n, minSize int) *energy {
	e := &energy{
		minSize: minSize,
		inverse: make([]float64, n+1),
		within:  make([]float64, n+1),
		between: make([]float64, n+1),
	}
	for i := 1; i <= n; i++ {
		e.inverse[i] = 1 / float64(i)
	}
	return e
}

// best is the place t at which to cut x so that x[:t] and x[t:k] differ most,
// for whatever end k, and how much they do: the statistic
//
//	q = nm/(n+m) * (2 between/(nm) - 2 within left/(n(n-1)) - 2 within right/(m(m-1)))
//
// of n = t and m = k-t values, of which between and within are sums of distances
// of pairs (Matteson and James, equations 5 to 7). It returns at once with what
// reaches enough, and 0 for values that are too few or all equal. The end k is
// free so that a level is found that is left again.
//
// The sums are brought from one t to the next by the distances of the one value
// that changes sides: all cuts take a time that is quadratic in the number of
// values.
func (e *energy) best(x []float64, enough float64) (at int, most float64) {
	n := len(x)
	if n < 2*e.minSize {
		return 0, 0
	}
	within, between, inverse := e.within[:n+1], e.between[:n+1], e.inverse[:n+1]
	clear(between)
	within[0] = 0
	for k := range x {
		within[k+1] = within[k] + distances(x[k], x[:k])
	}
	left := 0.0
	for t := 1; t <= n-e.minSize; t++ {
		moved := x[t-1]
		fromLeft := distances(moved, x[:t-1])
		left += fromLeft
		fromRight, size := 0.0, float64(t)
		leftMean := 0.0
		if t > 1 {
			leftMean = left * inverse[t-1]
		}
		for k := t + 1; k <= n; k++ {
			fromRight += math.Abs(moved - x[k-1])
			within[k] -= fromRight
			between[k] += fromRight - fromLeft
			m := k - t
			if t < e.minSize || m < e.minSize {
				continue
			}
			q := 2 * inverse[k] * (between[k] - size*within[k]*inverse[m-1] - float64(m)*leftMean)
			if q > most {
				at, most = t, q
				if most >= enough {
					return at, most
				}
			}
		}
	}
	return at, most
}

// distances is the sum of those of one value from others.
func distances(v float64, others []float64) float64 {
	sum := 0.0
	for _, other := range others {
		sum += math.Abs(v - other)
	}
	return sum
}
