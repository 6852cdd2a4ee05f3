package stats_test

import (
	"fmt"

	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

func ExampleCompare() {
	base := []float64{101, 99, 100, 102, 98}
	c := stats.Compare(base, []float64{121, 119, 120, 122, 118}, 0.05)
	fmt.Printf("%+.0f %% (%+.0f to %+.0f %%), P %.4f\n", 100*c.Change, 100*c.ChangeLow, 100*c.ChangeHigh, c.P)

	c = stats.Compare(base[:2], []float64{121}, 0.05)
	fmt.Println(c.Enough, c.Why)
	// Output:
	// +20 % (+17 to +23 %), P 0.0079
	// false needs 2 values a side, or one against 4; has 2 and 1
}

func ExampleChangePoints() {
	history := []float64{100, 102, 99, 101, 100, 98, 101, 120, 119, 121, 122}
	for _, p := range stats.ChangePoints(history, 0.05) {
		fmt.Printf("%d: from %g to %g\n", p.Index, p.Before.Center, p.After.Center)
	}
	// Output:
	// 7: from 100 to 120.5
}
