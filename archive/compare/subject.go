package compare

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Title names the subject for people: name, statistic and labels.
func (s *Subject) Title() string {
	title := s.Name
	if s.Statistic != "" {
		title += " " + s.Statistic
	}
	if len(s.Labels) > 0 {
		title += " " + s.labelsText()
	}
	return title
}

// labelsText writes the labels as PromQL does, sorted by name.
func (s *Subject) labelsText() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		pairs = append(pairs, name+"="+strconv.Quote(s.Labels[name]))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}
