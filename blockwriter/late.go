package blockwriter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// latePoint is a sample that is not newer than its series: a batch sent again,
// a sender that catches up, or two senders of one series.
type latePoint struct {
	index int // of the series in the batch
	point
}

// appendLate stores the late samples that are not stored yet. The head itself
// compares a sample with the newest of its series only; anything older it
// would store once more and blocks would drop in the merge, so that nobody
// could tell afterwards whether a sample was lost. So each is looked up first.
func (a *appending) appendLate() error {
	if len(a.late) == 0 {
		return nil
	}
	slices.SortStableFunc(a.late, func(x, y latePoint) int {
		return cmp.Or(cmp.Compare(a.entries[x.index].ref, a.entries[y.index].ref), cmp.Compare(x.index, y.index))
	})
	for from := 0; from < len(a.late); {
		to := from + 1
		for to < len(a.late) && a.entries[a.late[to].index].series == a.entries[a.late[from].index].series {
			to++
		}
		if err := a.appendLateSeries(a.late[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// appendLateSeries takes the late samples of one series. It takes the oldest
// first: what the head may take in order it shall not find out of order only when
// it commits, where it is too late to refuse it.
func (a *appending) appendLateSeries(late []latePoint) error {
	slices.SortStableFunc(late, func(x, y latePoint) int { return cmp.Compare(x.t, y.t) })
	e := &a.entries[late[0].index]
	if e.lset.IsEmpty() {
		var err error
		if e.lset, err = a.labels.build(a.batch.Labels, late[0].index); err != nil {
			return err
		}
	}
	stored, err := a.run.lookUp(e.lset, late)
	if err != nil {
		return fmt.Errorf("%w: look up late samples: %w", ErrStorage, err)
	}
	a.open()
	if e.ref == 0 {
		a.recognize(late[0].index, e) // there may be two of it in the batch
	}
	for i := range late {
		l := &late[i]
		switch there, ok := stored[l.t]; {
		case !ok:
			ok, err := a.store(l.index, e, &l.point)
			if err != nil {
				return a.abort(err)
			}
			if ok {
				stored[l.t] = l.point
			}
		case there.equals(l.point):
			a.tally.duplicates++
			a.acknowledge(&l.point)
		default:
			a.rejectPoint(ReasonDifferentValue, l.index, e, &l.point, "stored with another value already")
		}
	}
	return a.commit()
}

// equals reports whether two samples of the same time are the same sample. A
// staleness marker is the same whatever type it came as: the head stores it as
// the type its series has.
func (p point) equals(q point) bool {
	switch {
	case p.stale() || q.stale():
		return p.stale() && q.stale()
	case p.h != nil && q.h != nil:
		return p.h.Equals(q.h)
	case p.fh != nil && q.fh != nil:
		return p.fh.Equals(q.fh)
	default:
		return p.h == nil && q.h == nil && p.fh == nil && q.fh == nil &&
			math.Float64bits(p.v) == math.Float64bits(q.v)
	}
}

func (p point) stale() bool {
	switch {
	case p.h != nil:
		return value.IsStaleNaN(p.h.Sum)
	case p.fh != nil:
		return value.IsStaleNaN(p.fh.Sum)
	default:
		return value.IsStaleNaN(p.v)
	}
}

// lookUp reads what is stored of a series between the first and the last of
// the given times, from the head, its out-of-order part and local blocks.
func (r *Run) lookUp(lset labels.Labels, at []latePoint) (_ map[int64]point, err error) {
	mint, maxt := at[0].t, at[0].t
	wanted := make(map[int64]bool, len(at))
	for _, l := range at {
		mint, maxt = min(mint, l.t), max(maxt, l.t)
		wanted[l.t] = true
	}
	q, err := r.db.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()

	stored := make(map[int64]point, len(at))
	set := q.Select(context.Background(), false, nil, matchersOf(lset)...)
	for set.Next() {
		// The matchers also find series that have these labels and more.
		if !labels.Equal(set.At().Labels(), lset) {
			continue
		}
		if err := readPoints(set.At(), wanted, stored); err != nil {
			return nil, err
		}
	}
	return stored, set.Err()
}

func matchersOf(lset labels.Labels) []*labels.Matcher {
	var ms []*labels.Matcher
	lset.Range(func(l labels.Label) {
		ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	return ms
}

// readPoints copies the samples at the wanted times.
func readPoints(s storage.Series, wanted map[int64]bool, into map[int64]point) error {
	it := s.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		t := it.AtT()
		if !wanted[t] {
			continue
		}
		p := point{t: t}
		switch kind {
		case chunkenc.ValFloat:
			_, p.v = it.At()
		case chunkenc.ValHistogram:
			_, h := it.AtHistogram(nil)
			p.h = h.Copy()
		case chunkenc.ValFloatHistogram:
			_, fh := it.AtFloatHistogram(nil)
			p.fh = fh.Copy()
		}
		into[t] = p
	}
	return it.Err()
}
