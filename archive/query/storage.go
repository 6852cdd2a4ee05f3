package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/benchkeep/benchkeep/archive/blockcache"
)

// A readError is about a block that opened, and cannot be read.
type readError struct {
	block *blockcache.Block
	err   error
}

func (e *readError) Error() string {
	return fmt.Sprintf("read block %s: %v", e.block.Stored.ULID, e.err)
}
func (e *readError) Unwrap() error { return e.err }

// newQuerier reads blocks as if they were one storage.
func newQuerier(blocks []*blockcache.Block, mint, maxt int64) (storage.Querier, error) {
	var queriers []storage.Querier
	for _, b := range blocks {
		if b.Stored.MinTime > maxt || b.Stored.MaxTime <= mint {
			continue
		}
		q, err := tsdb.NewBlockQuerier(b.Reader(), mint, maxt)
		if err != nil {
			for _, opened := range queriers {
				opened.Close() //nolint:errcheck // it has read nothing
			}
			return nil, &readError{b, err}
		}
		queriers = append(queriers, &blockQuerier{Querier: q, block: b, external: labels.FromMap(b.Labels)})
	}
	return storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge), nil
}

// blockQuerier reads a block whose series have its external labels. As with
// Thanos, they come before labels of the series' own.
//
// Source: Thanos' pkg/store/bucket.go, labelpb.ExtendSortedLabels.
type blockQuerier struct {
	storage.Querier

	block    *blockcache.Block
	external labels.Labels
}

// inside gives the matchers that are about the labels inside of the block. It
// reports false if the external labels do not match the others.
func (q *blockQuerier) inside(matchers []*labels.Matcher) (inside []*labels.Matcher, ok bool) {
	for _, m := range matchers {
		switch {
		case !q.external.Has(m.Name):
			inside = append(inside, m)
		case !m.Matches(q.external.Get(m.Name)):
			return nil, false
		}
	}
	return inside, true
}

// Select gives the series sorted, whether it is asked to or not: among labels of
// a block's own, the external ones change the order, and answers are the same
// from one time to the next.
func (q *blockQuerier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	inside, ok := q.inside(matchers)
	if !ok {
		return storage.EmptySeriesSet()
	}
	if len(inside) == 0 {
		inside = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "", "")} // tsdb's word for all series
	}
	set := q.Querier.Select(ctx, false, hints, inside...)
	found := &seriesList{warnings: set.Warnings()}
	builder := labels.NewBuilder(labels.EmptyLabels())
	for set.Next() {
		s := set.At()
		builder.Reset(s.Labels())
		q.external.Range(func(l labels.Label) { builder.Set(l.Name, l.Value) })
		found.series = append(found.series, &series{Series: s, labels: builder.Labels(), block: q.block})
	}
	if err := set.Err(); err != nil {
		return storage.ErrSeriesSet(&readError{q.block, err})
	}
	slices.SortFunc(found.series, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	return found
}

func (q *blockQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	inside, ok := q.inside(matchers)
	if !ok {
		return nil, nil, nil
	}
	if value := q.external.Get(name); value != "" {
		return []string{value}, nil, nil
	}
	values, warnings, err := q.Querier.LabelValues(ctx, name, hints, inside...)
	if err != nil {
		err = &readError{q.block, err}
	}
	return values, warnings, err
}

func (q *blockQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	inside, ok := q.inside(matchers)
	if !ok {
		return nil, nil, nil
	}
	names, warnings, err := q.Querier.LabelNames(ctx, hints, inside...)
	if err != nil {
		return nil, warnings, &readError{q.block, err}
	}
	q.external.Range(func(l labels.Label) { names = append(names, l.Name) })
	slices.Sort(names)
	return slices.Compact(names), warnings, nil
}

// seriesList is a storage.SeriesSet of what is in memory.
type seriesList struct {
	series   []*series
	next     int
	warnings annotations.Annotations
}

func (l *seriesList) Next() bool {
	l.next++
	return l.next <= len(l.series)
}

func (l *seriesList) At() storage.Series                { return l.series[l.next-1] }
func (l *seriesList) Err() error                        { return nil }
func (l *seriesList) Warnings() annotations.Annotations { return l.warnings }

// series is a series of a block, under its full name.
type series struct {
	storage.Series

	labels labels.Labels
	block  *blockcache.Block
}

func (s *series) Labels() labels.Labels { return s.labels }

func (s *series) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*iterator)
	if !ok {
		it = &iterator{}
	}
	it.Iterator, it.block = s.Series.Iterator(it.Iterator), s.block
	return it
}

// iterator tells of what cannot be read whose it is.
type iterator struct {
	chunkenc.Iterator

	block *blockcache.Block
}

func (it *iterator) Err() error {
	if err := it.Iterator.Err(); err != nil {
		return &readError{it.block, err}
	}
	return nil
}
