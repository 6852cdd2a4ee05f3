package export

import (
	"context"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/benchkeep/benchkeep/archive"
)

// A Match picks series: all of its matchers have to match.
type Match []*labels.Matcher

// ParseMatch reads a series selector as PromQL writes it. What cannot be
// understood is an [archive.SyntaxError].
func ParseMatch(text string) (Match, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		return nil, archive.NewSyntaxError(text, err)
	}
	return matchers, nil
}

// reader finds the series that are to be written.
type reader struct {
	ctx     context.Context
	querier storage.Querier
	match   []Match // empty: all
}

// each calls a function with the matchers of one selector after the other.
func (r *reader) each(do func(Match) error) error {
	if len(r.match) == 0 {
		return do(nil)
	}
	for _, m := range r.match {
		if err := do(m); err != nil {
			return err
		}
	}
	return nil
}

// names are the names of the metrics, sorted. There may be no sample of one at
// the time in question.
func (r *reader) names() ([]string, error) {
	var all []string
	err := r.each(func(m Match) error {
		names, _, err := r.querier.LabelValues(r.ctx, model.MetricNameLabel, nil, m...)
		all = append(all, names...)
		return err
	})
	slices.Sort(all)
	return slices.Compact(all), err
}

// series are the series of a metric, sorted by labels.
func (r *reader) series(name string) ([]storage.Series, error) {
	var all []storage.Series
	ofName := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name)
	err := r.each(func(m Match) error {
		set := r.querier.Select(r.ctx, true, nil, append(slices.Clone(m), ofName)...)
		for set.Next() {
			all = append(all, set.At())
		}
		return set.Err()
	})
	if len(r.match) > 1 { // one series may match several selectors
		slices.SortStableFunc(all, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
		all = slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) })
	}
	return all, err
}

// split separates the name of a series' metric from its labels.
func split(all labels.Labels) (metric string, rest map[string]string) {
	rest = all.Map()
	metric = rest[model.MetricNameLabel]
	delete(rest, model.MetricNameLabel)
	return metric, rest
}

// A sample is what a series has at a time: a value or, unless it is nil, a
// native histogram.
type sample struct {
	t int64 // Unix ms
	v float64
	h *histogram.FloatHistogram
	// integer: the histogram counts in integers.
	integer bool
	// stale marks the end of the series, and there is nothing else to tell.
	stale bool
}

// A cursor goes through the samples of one series after the other.
type cursor struct {
	sample // valid until next

	it        chunkenc.Iterator
	histogram histogram.FloatHistogram // of the sample
	counted   bool                     // the series, as one that has histograms
}

// open puts the cursor before the first sample of a series.
func (c *cursor) open(s storage.Series) {
	c.it, c.counted = s.Iterator(c.it), false
}

// next goes to the next sample, and reports whether there is one.
func (c *cursor) next() bool {
	c.sample = sample{}
	switch kind := c.it.Next(); kind {
	case chunkenc.ValNone:
		return false
	case chunkenc.ValFloat:
		c.t, c.v = c.it.At()
		c.stale = value.IsStaleNaN(c.v)
	default:
		c.integer = kind == chunkenc.ValHistogram
		c.t, c.h = c.it.AtFloatHistogram(&c.histogram)
		c.stale = value.IsStaleNaN(c.h.Sum)
	}
	return true
}

// err is why there was no next sample, if it was not the last.
func (c *cursor) err() error { return c.it.Err() }
