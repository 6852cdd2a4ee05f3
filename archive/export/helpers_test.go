package export

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is a time with milliseconds.
const base = int64(1_736_845_200_123)

var stale = math.Float64frombits(value.StaleNaN)

// content is what a block of the tests is made of.
type content struct {
	labels labels.Labels
	from   int64 // the first sample; the others follow every 15 s
	values []any // float64, *histogram.Histogram or *histogram.FloatHistogram; nil is none
}

func series(from int64, values []any, labelled ...string) content {
	return content{labels.FromStrings(labelled...), from, values}
}

// everything is a bit of all that there can be.
func everything() []content {
	hostile := "a \"quoted\" \\back\\slash,\nnew line\tand é"
	return []content{
		series(base, []any{0.0, 10.0, 12.5}, "__name__", "http_requests_total", "code", "200", "run", "nightly-42"),
		series(base+15_000, []any{1.0, stale}, "__name__", "http_requests_total", "code", "500", "run", "nightly-42"),
		series(base, []any{1.7e9}, "__name__", "http_requests_created", "code", "200", "run", "nightly-42"),
		series(base, []any{1.0, 2.0}, "__name__", "latency_seconds_bucket", "le", "0.5", "run", "nightly-42"),
		series(base, []any{2.0, 4.0}, "__name__", "latency_seconds_bucket", "le", "10.0", "run", "nightly-42"),
		series(base, []any{2.0, 5.0}, "__name__", "latency_seconds_bucket", "le", "+Inf", "run", "nightly-42"),
		series(base, []any{2.0, 5.0}, "__name__", "latency_seconds_count", "run", "nightly-42"),
		series(base, []any{1.25, 30.5}, "__name__", "latency_seconds_sum", "run", "nightly-42"),
		series(base, []any{3.0}, "__name__", "latency_seconds_buckets_used", "run", "nightly-42"), // sorts among the above
		series(base, []any{0.25, math.NaN()}, "__name__", "rpc_seconds", "quantile", "0.5", "run", "nightly-42"),
		series(base, []any{4.0}, "__name__", "rpc_seconds_count", "run", "nightly-42"),
		series(base, []any{math.NaN(), math.Inf(1), math.Inf(-1), 1e-300, -0.5}, "__name__", "room_celsius", "text", hostile, "run", "nightly-42"),
		series(base, []any{1.0}, "__name__", "http.server.duration", "service.name", "shop \"x\"", "run", "nightly-42"),
		series(base, []any{1.0}, "__name__", "jiffies", "run", "nightly-42"),
		series(base, []any{1.0}, "__name__", "bare"),
		series(base, []any{twoSided(1), twoSided(2), &histogram.Histogram{Sum: stale}}, "__name__", "size_bytes", "run", "nightly-42"),
		series(base, []any{&histogram.FloatHistogram{
			Schema: 1, ZeroThreshold: 0.001, ZeroCount: 0.5, Count: 2.25, Sum: -3,
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{0.25, 1},
			NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{0.5},
		}, 7.0}, "__name__", "size_float", "run", "nightly-42"),
		series(base, []any{&histogram.Histogram{
			Schema: histogram.CustomBucketsSchema, Count: 4, Sum: 12, CustomValues: []float64{0.1, 1, 10},
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}, {Offset: 1, Length: 2}}, PositiveBuckets: []int64{1, 1, -1},
		}}, "__name__", "size_custom", "run", "nightly-42"),
	}
}

// twoSided is a histogram with buckets on both sides of zero.
func twoSided(n uint64) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema: 3, ZeroThreshold: 0.001, ZeroCount: n, Count: 8 * n, Sum: 1.5 * float64(n),
		PositiveSpans: []histogram.Span{{Offset: -4, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{d, 0, d},
		NegativeSpans: []histogram.Span{{Offset: 2, Length: 2}}, NegativeBuckets: []int64{d, d},
	}
}

var metadata = map[string]archive.Metadata{
	"http_requests_total":  {Type: "counter", Help: "Requests \"answered\",\nby \\ status code."},
	"latency_seconds":      {Type: "histogram", Help: "Time to answer.", Unit: "seconds"},
	"rpc_seconds":          {Type: "summary", Unit: "milliseconds"},
	"room_celsius":         {Type: "gauge", Unit: "celsius"},
	"http.server.duration": {Type: "gauge", Help: "In other letters."},
	"jiffies":              {Type: "counter", Help: "Has no _total."},
	"size_bytes":           {Type: "histogram", Help: "Native."},
}

// source is a block of a TSDB. It breaks off the given number of times.
type source struct {
	block    *tsdb.Block
	failures int
}

func newSource(t *testing.T, all []content) *source {
	t.Helper()
	dir := t.TempDir()
	w, err := tsdb.NewBlockWriter(promslog.NewNopLogger(), dir, 24*3_600_000)
	require.NoError(t, err)
	app := w.Appender(t.Context())
	for _, c := range all {
		for i, v := range c.values {
			at := c.from + int64(i)*15_000
			switch v := v.(type) {
			case float64:
				_, err = app.Append(0, c.labels, at, v)
			case *histogram.Histogram:
				_, err = app.AppendHistogram(0, c.labels, at, v, nil)
			case *histogram.FloatHistogram:
				_, err = app.AppendHistogram(0, c.labels, at, nil, v)
			}
			require.NoError(t, err)
		}
	}
	require.NoError(t, app.Commit())
	id, err := w.Flush(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.Close())
	block, err := tsdb.OpenBlock(nil, filepath.Join(dir, id.String()), nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, block.Close()) })
	return &source{block: block}
}

var errDamaged = errors.New("a damaged block")

// Read implements [Source].
func (s *source) Read(_ context.Context, mint, maxt int64, read func(storage.Querier) error) error {
	q, err := tsdb.NewBlockQuerier(s.block, mint, maxt)
	if err != nil {
		return err
	}
	defer q.Close()
	for ; s.failures > 0; s.failures-- {
		if err := read(breaking{q}); !errors.Is(err, errDamaged) {
			return err
		}
	}
	return read(q)
}

// breaking is a querier that cannot read the last metric.
type breaking struct{ storage.Querier }

func (b breaking) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if matchers[len(matchers)-1].Value == "size_float" {
		return storage.ErrSeriesSet(errDamaged)
	}
	return b.Querier.Select(ctx, sorted, hints, matchers...)
}

// memory is an output.
type memory struct{ bytes.Buffer }

// Restart implements [Output].
func (m *memory) Restart() error {
	m.Reset()
	return nil
}

// exported exports from a source.
func exported(t *testing.T, src *source, o Options) (string, *Summary) {
	t.Helper()
	if o.To == 0 {
		o.From, o.To = math.MinInt64, math.MaxInt64
	}
	if o.Metadata == nil {
		o.Metadata = metadata
	}
	var out memory
	sum, err := Samples(t.Context(), src, &out, o)
	require.NoError(t, err)
	return out.String(), sum
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run with -update, and look at what has changed")
}
