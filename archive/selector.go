package archive

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// A Selector picks runs by their labels. The empty one picks all.
type Selector []*labels.Matcher

// ParseSelector reads matchers as PromQL writes them, {branch="main"}. What
// cannot be understood is a [SyntaxError].
func ParseSelector(text string) (Selector, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		return nil, NewSyntaxError(text, err)
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
