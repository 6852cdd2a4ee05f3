package harness

import (
	"context"
	"math"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// ReadTSDB reads everything that a Prometheus server has in its storage. The
// server must have exited.
func ReadTSDB(t testing.TB, dir, storagePath string) Set {
	t.Helper()
	db, err := tsdb.OpenDBReadOnly(storagePath, Sub(t, dir, "tsdb-sandbox"), nil)
	if err != nil {
		t.Fatalf("open %s: %v", storagePath, err)
	}
	defer db.Close()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatalf("read %s: %v", storagePath, err)
	}
	return drain(t, q)
}

// readBlock reads everything that a block has.
func readBlock(t testing.TB, dir string) Set {
	t.Helper()
	block, err := tsdb.OpenBlock(nil, dir, nil, nil)
	if err != nil {
		t.Fatalf("open block %s: %v", dir, err)
	}
	defer block.Close()
	q, err := tsdb.NewBlockQuerier(block, math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatalf("read block %s: %v", dir, err)
	}
	return drain(t, q)
}

// drain reads all series of a querier and closes it.
func drain(t testing.TB, q storage.Querier) Set {
	t.Helper()
	defer q.Close()
	set := Set{}
	everything := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".*")
	all := q.Select(context.Background(), false, nil, everything)
	var it chunkenc.Iterator
	for all.Next() {
		series := all.At()
		it = series.Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			set.Add(series.Labels(), point(it, kind))
		}
		if err := it.Err(); err != nil {
			t.Fatalf("read series %s: %v", series.Labels(), err)
		}
	}
	if err := all.Err(); err != nil {
		t.Fatalf("read series: %v", err)
	}
	return set
}

func point(it chunkenc.Iterator, kind chunkenc.ValueType) Point {
	switch kind {
	case chunkenc.ValHistogram:
		return HistogramPoint(it.AtHistogram(nil))
	case chunkenc.ValFloatHistogram:
		return FloatHistogramPoint(it.AtFloatHistogram(nil))
	default:
		return FloatPoint(it.At())
	}
}
