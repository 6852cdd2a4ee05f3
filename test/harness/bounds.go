package harness

import (
	"fmt"
	"slices"
	"strings"
)

// DiffBetween tells how got is out of bounds: every sample of least has to be
// there, nothing that is not in least or in most may be, and no sample more
// than once. Empty means that it is within them.
//
// A sample of most may also be in least: a batch of unknown fate that was sent
// again with success is in both.
func DiffBetween(least, most, got Set) string {
	allowed := Set{}
	allowed.AddSet(least)
	allowed.AddSet(most)
	allowed.Sort()
	allowed = allowed.onceEach()

	var differences []string
	for key, series := range allowed {
		if d := diffBounds(least[key], series, got[key]); d != "" {
			differences = append(differences, key+": "+d)
		}
	}
	for key, series := range got {
		if allowed[key] == nil {
			differences = append(differences, fmt.Sprintf("%s: unexpected, %d samples", key, len(series.Points)))
		}
	}
	if len(differences) == 0 {
		return ""
	}
	slices.Sort(differences)
	head := fmt.Sprintf("%d series differ (want %d to %d samples, got %d):\n  ",
		len(differences), least.onceEach().Samples(), allowed.Samples(), got.Samples())
	return head + strings.Join(differences[:min(len(differences), maxDifferences)], "\n  ")
}

// onceEach is the set with each sample once.
func (s Set) onceEach() Set {
	once := Set{}
	for _, series := range s {
		seen := map[Point]bool{}
		for _, p := range series.Points {
			if !seen[p] {
				seen[p] = true
				once.Add(series.Labels, p)
			}
		}
	}
	return once
}

// diffBounds compares one series. Any of them may be nil but allowed.
func diffBounds(least, allowed, got *Series) string {
	there := map[Point]int{}
	var surplus, twice, missing []Point
	if got != nil {
		may := map[Point]bool{}
		for _, p := range allowed.Points {
			may[p] = true
		}
		for _, p := range got.Points {
			there[p]++
			switch {
			case !may[p]:
				surplus = append(surplus, p)
			case there[p] > 1:
				twice = append(twice, p)
			}
		}
	}
	if least != nil {
		for _, p := range least.Points {
			if there[p] == 0 {
				missing = append(missing, p)
			}
		}
	}
	var parts []string
	for _, d := range []struct {
		what   string
		points []Point
	}{{"missing", missing}, {"surplus", surplus}, {"more than once", twice}} {
		if len(d.points) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s, the first at %d: %s", len(d.points), d.what, d.points[0].T, d.points[0].Value))
		}
	}
	return strings.Join(parts, "; ")
}
