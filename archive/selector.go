package archive

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// A Selector picks runs by their labels. The empty one picks all.
type Selector []*labels.Matcher

// ParseSelector reads matchers as PromQL writes them, {branch="main"}. An error
// shows the place that it is about.
func ParseSelector(text string) (Selector, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	var wrong parser.ParseErrors
	if errors.As(err, &wrong) && len(wrong) > 0 {
		at := min(max(int(wrong[0].PositionRange.Start), 0), len(text))
		return nil, fmt.Errorf("%w\n  %s\n  %s^", err, text, strings.Repeat(" ", utf8.RuneCountInString(text[:at])))
	}
	if err != nil {
		return nil, err
	}
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel {
			return nil, fmt.Errorf("%s: runs have labels and no metric name: want {label=\"value\"}", text)
		}
	}
	return matchers, nil
}

// Matches reports whether all matchers match. A label that is not there counts
// as empty, as in PromQL.
func (s Selector) Matches(labels map[string]string) bool {
	for _, m := range s {
		if !m.Matches(labels[m.Name]) {
			return false
		}
	}
	return true
}
