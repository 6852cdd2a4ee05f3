package blockwriter

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

var staleNaN = math.Float64frombits(value.StaleNaN)

func TestRejections(t *testing.T) {
	now := time.Now().UnixMilli()
	bad := &histogram.Histogram{Count: 5, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{1}}
	for name, tc := range map[string]struct {
		series sent
		reason Reason
		says   string
	}{
		"no metric name":         {sent{labels: []string{"job", "x"}, samples: []Sample{at(now, 1)}}, ReasonNoMetricName, `{"job"="x"}`},
		"empty metric name":      {sent{labels: []string{"__name__", ""}, samples: []Sample{at(now, 1)}}, ReasonNoMetricName, `__name__`},
		"empty label name":       {sent{labels: []string{"__name__", "x", "", "y"}, samples: []Sample{at(now, 1)}}, ReasonEmptyLabelName, `""="y"`},
		"label name twice":       {sent{labels: []string{"a", "1", "__name__", "x", "a", "2"}, samples: []Sample{at(now, 1)}}, ReasonDuplicateLabelName, `"a"="1"`},
		"label value not UTF-8":  {sent{labels: []string{"__name__", "x", "a", "\xff"}, samples: []Sample{at(now, 1)}}, ReasonInvalidUTF8, `\xff`},
		"label name not UTF-8":   {sent{labels: []string{"__name__", "x", "\xff", "a"}, samples: []Sample{at(now, 1)}}, ReasonInvalidUTF8, `\xff`},
		"another value":          {one("good", at(now, 2)), ReasonDifferentValue, "good"},
		"histogram on a float":   {sent{labels: []string{"__name__", "good", "job", "test"}, histograms: []Histogram{{Timestamp: now, Int: &histogram.Histogram{}}}}, ReasonDifferentValue, "good"},
		"an hour ahead":          {one("x", at(now+hour, 2)), ReasonTooFarInFuture, "--limit.future=10m0s"},
		"older than the window":  {one("x", at(now-25*hour, 2)), ReasonTooOld, "x"},
		"histogram out of shape": {sent{labels: []string{"__name__", "x"}, histograms: []Histogram{{Timestamp: now, Int: bad}}}, ReasonInvalidHistogram, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.open()
			write(t, r, one("good", at(now, 1)))
			res := write(t, r, one("first", at(now, 1)), tc.series, one("last", at(now, 1)))
			require.Equal(t, 2, res.Samples, "the good samples of the batch are stored")
			require.Equal(t, 1, res.Rejected.Count)
			require.True(t, strings.HasPrefix(res.Rejected.Examples[0], tc.reason.String()), res.Rejected.Examples[0])
			require.Contains(t, res.Rejected.String(), tc.says)
			w.finish(r)
			require.EqualValues(t, 3, w.read().count())
			m := w.manifest()
			require.False(t, m.Complete)
			require.Equal(t, map[string]int64{tc.reason.String(): 1}, m.Rejected)
			require.Equal(t, m.Received, m.Written+m.Duplicates+1)
		})
	}
}

func TestSeriesLimitSparesKnownSeries(t *testing.T) {
	w := newWorld(t)
	w.opts.SeriesLimit = 2
	r := w.open()
	write(t, r, one("a", at(base, 1)), one("b", at(base, 1)))
	res := write(t, r, one("a", at(base+1, 1)), one("c", at(base+1, 1), at(base+2, 1)), one("b", at(base+1, 1)))
	require.Equal(t, 2, res.Samples)
	require.Equal(t, 2, res.Rejected.Count)
	require.Contains(t, res.Rejected.String(), "--limit.series")
	// Another spelling of a known series is no new series.
	res = write(t, r, sent{labels: []string{"job", "test", "__name__", "a", "empty", ""}, samples: []Sample{at(base+3, 1)}})
	require.Equal(t, 1, res.Samples)
	w.finish(r)
	require.EqualValues(t, 5, w.read().count())
	require.Equal(t, map[string]int64{"series_limit": 2}, w.manifest().Rejected)
}

func TestLabelsGiveWayToExternalLabels(t *testing.T) {
	for name, tc := range map[string]struct {
		sent []string
		want string
	}{
		"same value":          {[]string{"__name__", "m", "branch", "main"}, `{__name__="m"}`},
		"other value":         {[]string{"__name__", "m", "branch", "dev"}, `{__name__="m", exported_branch="dev"}`},
		"exported name taken": {[]string{"__name__", "m", "branch", "dev", "exported_branch", "x"}, `{__name__="m", exported_branch="x", exported_exported_branch="dev"}`},
		"run":                 {[]string{"__name__", "m", "run", "other", "a", "z"}, `{__name__="m", a="z", exported_run="other"}`},
		"empty value":         {[]string{"__name__", "m", "branch", ""}, `{__name__="m"}`},
		"unsorted":            {[]string{"z", "1", "__name__", "m", "a", "2"}, `{__name__="m", a="2", z="1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.open()
			write(t, r, sent{labels: tc.sent, samples: []Sample{at(base, 1)}})
			w.finish(r)
			require.Equal(t, stored{tc.want: {base: "1"}}, w.read())
		})
	}
}

func TestStartTimestamps(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	counter := func(ts, st int64) { write(t, r, one("c_total", Sample{Timestamp: ts, StartTimestamp: st, Value: 5})) }
	counter(base+10*minute, base+9*minute)  // stored: before the first sample
	counter(base+11*minute, base+9*minute)  // the same start again
	counter(base+13*minute, base+12*minute) // a restart
	counter(base+14*minute, base+14*minute) // not before the sample
	write(t, r, one("old_total", Sample{Timestamp: base + 14*minute, StartTimestamp: base - 2*hour, Value: 5}))
	w.finish(r)
	require.Equal(t, stored{
		`{__name__="c_total", job="test"}`: {
			base + 9*minute: "0", base + 10*minute: "5", base + 11*minute: "5",
			base + 12*minute: "0", base + 13*minute: "5", base + 14*minute: "5",
		},
		`{__name__="old_total", job="test"}`: {base + 14*minute: "5"},
	}, w.read())
	m := w.manifest()
	require.EqualValues(t, 2, m.StartTimestamps)
	require.EqualValues(t, 5, m.Received)
	require.EqualValues(t, 7, m.Written)
}

func TestHistograms(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	custom := histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 4, CustomValues: []float64{1, 2},
		PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 1},
	}
	exponential := histogram.Histogram{
		Schema: 2, Count: 4, Sum: 9, ZeroThreshold: 0.01, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{1, 1},
	}
	send := func(metric string, hs ...Histogram) {
		res := write(t, r, sent{labels: []string{"__name__", metric}, histograms: hs})
		require.Equal(t, len(hs), res.Histograms)
	}
	send("int", Histogram{Timestamp: base, StartTimestamp: base - minute, Int: exponential.Copy()})
	send("custom", Histogram{Timestamp: base, Int: custom.Copy()})
	send("float", Histogram{Timestamp: base, Float: exponential.ToFloat(nil)})
	send("int", Histogram{Timestamp: base, Int: exponential.Copy()}) // again
	// A staleness marker comes as a float and again, and counts once.
	for range 2 {
		write(t, r, sent{labels: []string{"__name__", "int"}, samples: []Sample{at(base+minute, staleNaN)}})
	}
	w.finish(r)
	got := w.read()
	require.Equal(t, map[int64]string{
		base - minute: intHistogram(&histogram.Histogram{Schema: 2, ZeroThreshold: 0.01}),
		base:          intHistogram(&exponential),
		base + minute: float(staleNaN),
	}, got[`{__name__="int"}`])
	require.Equal(t, map[int64]string{base: intHistogram(&custom)}, got[`{__name__="custom"}`])
	require.Equal(t, map[int64]string{base: exponential.ToFloat(nil).String()}, got[`{__name__="float"}`])
	m := w.manifest()
	require.EqualValues(t, 2, m.Duplicates)
	require.EqualValues(t, 1, m.StartTimestamps)
	require.EqualValues(t, 5, m.Written)
}

// TestLateSamplesBefore1970AreRefused: the library would leave them out of every
// block, and the run could never be archived.
func TestLateSamplesBefore1970AreRefused(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	want := stored{}
	for _, ts := range []int64{-90 * minute, -10 * minute} {
		write(t, r, one("m", at(ts, 1)))
		want.add(`{__name__="m", job="test"}`, ts, float(1))
	}
	for _, metric := range []string{"m", "other"} {
		res := write(t, r, one(metric, at(-80*minute, 1)))
		require.Equal(t, 1, res.Rejected.Count, metric)
		require.Contains(t, res.Rejected.String(), "too_old")
	}
	w.finish(r)
	w.requireArchived(want, "")
}

// TestDescendingSamplesBefore1970 come of a series of which the run does not know
// that it has none, because the head has dropped others.
func TestDescendingSamplesBefore1970(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	r.stopLoop()
	write(t, r, one("dropped", at(-10*hour, 1)))
	for ts := -10 * hour; ts < -6*hour; ts += 10 * minute {
		write(t, r, one("m", at(ts, 1)))
	}
	require.NoError(t, r.Maintain(t.Context()))
	res := write(t, r, one("new", at(-6*hour-20*minute, 1), at(-6*hour-40*minute, 1)))
	require.Zero(t, res.Rejected.Count, res.Rejected.String())
	w.finish(r)
	require.EqualValues(t, 1+24+2, w.read().count())
}

func TestMetadataAndSendersReachTheManifest(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	b := batch(sent{
		labels: []string{"__name__", "by_series"}, samples: []Sample{at(base, 1)},
		meta: &Metadata{Type: 2, Help: []byte("h2"), Unit: []byte("u2")},
	})
	b.Metadata = append(b.Metadata, Metadata{Name: []byte("by_name"), Type: 1, Help: []byte("h1"), Unit: []byte("u1")})
	_, err := r.Append(b)
	require.NoError(t, err)
	w.finish(r)
	m := w.manifest()
	require.Equal(t, map[string]archive.Metadata{
		"by_name":   {Type: "counter", Help: "h1", Unit: "u1"},
		"by_series": {Type: "gauge", Help: "h2", Unit: "u2"},
	}, m.Metrics)
	require.Equal(t, []string{"test/1"}, m.Senders)
}

func TestMalformedBatchLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	b := batch(one("up", at(base, 1)), one("down", at(base, 1)))
	b.Labels = brokenLabels{b.Labels}
	_, err := r.Append(b)
	require.ErrorIs(t, err, ErrMalformed)
	w.finish(r)
	require.Empty(t, w.read())
}

// brokenLabels cannot read the second series.
type brokenLabels struct{ LabelReader }

func (b brokenLabels) AppendLabels(dst []Label, i int) ([]Label, error) {
	if i == 1 {
		return dst, ErrMalformed
	}
	return b.LabelReader.AppendLabels(dst, i)
}

// TestRandomSendersAgainstAModel sends what senders send, good and bad, in
// random order, with restarts and mid-run cuts in between, and compares blocks
// and account with a model of what has to be stored.
func TestRandomSendersAgainstAModel(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t)
		w.opts.OutOfOrderWindow = 5 * time.Hour
		rng := rand.New(rand.NewPCG(seed, 1))
		r := w.open()
		m := oracle{stored: stored{}}
		clock := base
		for range 300 {
			clock += rng.Int64N(4 * minute)
			m.send(t, r, rng, clock)
			switch rng.IntN(60) {
			case 0:
				require.NoError(t, r.Close())
				r = w.open()
			case 1:
				require.NoError(t, r.Maintain(t.Context()))
			}
		}
		w.finish(r)
		require.Equal(t, m.stored, w.read(), "seed %d", seed)
		got := w.manifest()
		require.Equal(t, m.stored.count(), got.Written, "seed %d", seed)
		require.Equal(t, m.duplicates, got.Duplicates, "seed %d", seed)
		require.Equal(t, m.conflicts, got.Rejected[ReasonDifferentValue.String()], "seed %d", seed)
		require.Equal(t, m.tooOld, got.Rejected[ReasonTooOld.String()], "seed %d", seed)
	}
}

// oracle is what a run has to hold, kept in the simplest way.
type oracle struct {
	stored                        stored
	duplicates, conflicts, tooOld int64
}

// send makes clock the newest time of the run, and then sends a batch of
// samples around and behind it.
func (m *oracle) send(t *testing.T, r *Run, rng *rand.Rand, clock int64) {
	write(t, r, one("clock", at(clock, 1)))
	m.expect("clock", at(clock, 1), clock)
	var b []sent
	for range 1 + rng.IntN(5) {
		metric := string(rune('a' + rng.IntN(6)))
		var samples []Sample
		for range 1 + rng.IntN(3) {
			behind := []int64{0, 0, minute, hour, 3 * hour, 6 * hour}[rng.IntN(6)] + rng.Int64N(3)
			samples = append(samples, at(clock-behind, float64(rng.IntN(2))))
			m.expect(metric, samples[len(samples)-1], clock)
		}
		b = append(b, one(metric, samples...))
	}
	write(t, r, b...)
}

func (m *oracle) expect(metric string, s Sample, clock int64) {
	series := `{__name__="` + metric + `", job="test"}`
	there, ok := m.stored[series][s.Timestamp]
	switch {
	case ok && there == float(s.Value):
		m.duplicates++
	case ok:
		m.conflicts++
	case s.Timestamp < clock-5*hour:
		m.tooOld++
	default:
		m.stored.add(series, s.Timestamp, float(s.Value))
	}
}
