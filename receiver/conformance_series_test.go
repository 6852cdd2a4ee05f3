package receiver

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestConformanceLabels(t *testing.T) {
	many := []string{"__name__", "m"}
	for i := range 500 {
		many = append(many, fmt.Sprintf("l%03d", i), "v")
	}
	for name, tc := range map[string]struct {
		sent   []string
		stored []string // the labels, if they are not those sent
		reason string   // why the series is rejected
	}{
		"sorted":                {sent: []string{"__name__", "m", "a", "1", "b", "2"}},
		"unsorted":              {sent: []string{"b", "2", "__name__", "m", "a", "1"}},
		"empty value":           {sent: []string{"__name__", "m", "a", "", "b", "2"}, stored: []string{"__name__", "m", "b", "2"}},
		"no job, no instance":   {sent: []string{"__name__", "m"}},
		"UTF-8":                 {sent: []string{"__name__", "metric.name ✓", "Größe", "日本\n"}},
		"reserved":              {sent: []string{"__meta_x", "1", "__name__", "m"}},
		"a long value":          {sent: []string{"__name__", "m", "a", strings.Repeat("v", 100_000)}},
		"many":                  {sent: many},
		"no labels":             {reason: "no_metric_name"},
		"no metric name":        {sent: []string{"job", "x"}, reason: "no_metric_name"},
		"empty metric name":     {sent: []string{"__name__", "", "job", "x"}, reason: "no_metric_name"},
		"empty name":            {sent: []string{"", "x", "__name__", "m"}, reason: "empty_label_name"},
		"repeated name":         {sent: []string{"__name__", "m", "a", "1", "a", "2"}, reason: "duplicate_label_name"},
		"repeated, unsorted":    {sent: []string{"a", "1", "__name__", "m", "a", "1"}, reason: "duplicate_label_name"},
		"repeated metric name":  {sent: []string{"__name__", "m", "__name__", "n"}, reason: "duplicate_label_name"},
		"value not UTF-8":       {sent: []string{"__name__", "m", "a", "\xc3\x28"}, reason: "invalid_utf8"},
		"name not UTF-8":        {sent: []string{"__name__", "m", "\xff", "1"}, reason: "invalid_utf8"},
		"metric name not UTF-8": {sent: []string{"__name__", "\xed\xa0\x80"}, reason: "invalid_utf8"}, // half of a surrogate pair
	} {
		for _, v := range bothVersions {
			t.Run(name+" "+string(v), func(t *testing.T) {
				k := serveKeeper(t)
				a := k.write(v, encode(t, v, labeled([]prompb.Sample{{Timestamp: t0, Value: 1}}, tc.sent...), float("good", 1)))
				want := stored{`{__name__="good", job="test"}`: {t0: "1"}}
				kept := tc.stored
				if kept == nil {
					kept = tc.sent
				}
				if tc.reason == "" {
					require.Equal(t, http.StatusNoContent, a.status, a.body)
					want.add(labels.FromStrings(kept...).String(), t0, "1")
				} else {
					require.Equal(t, http.StatusBadRequest, a.status)
					require.Contains(t, a.body, tc.reason)
				}
				require.Equal(t, want, k.archived())
			})
		}
	}
}

func TestConformanceSymbols(t *testing.T) {
	symbols := []string{"__name__", "m", "a", "1"}
	good := writev2.TimeSeries{LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{sampleV2(t0, 1)}}
	with := func(change func(*writev2.TimeSeries)) writev2.TimeSeries {
		ts := writev2.TimeSeries{LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{sampleV2(t0+1, 2)}}
		change(&ts)
		return ts
	}
	one, two := map[int64]string{t0: "1"}, map[int64]string{t0: "1", t0 + 1: "2"}
	for name, tc := range map[string]struct {
		symbols []string
		other   writev2.TimeSeries
		want    map[int64]string // none: the whole request is refused
	}{
		"repeated":                    {append(symbols, symbols...), with(func(ts *writev2.TimeSeries) { ts.LabelsRefs = []uint32{5, 6, 7, 8} }), two},
		"the empty string again":      {append(symbols, "", "b"), with(func(ts *writev2.TimeSeries) { ts.LabelsRefs = []uint32{1, 2, 3, 4, 6, 5} }), two},
		"not referred to":             {append(symbols, "nobody", "\xff"), with(func(*writev2.TimeSeries) {}), two},
		"exemplar beyond the table":   {symbols, with(func(ts *writev2.TimeSeries) { ts.Exemplars = []writev2.Exemplar{{LabelsRefs: []uint32{90, 91}}} }), two},
		"no labels at all":            {symbols, with(func(ts *writev2.TimeSeries) { ts.LabelsRefs = nil }), one},
		"label beyond the table":      {symbols, with(func(ts *writev2.TimeSeries) { ts.LabelsRefs[3] = 5 }), nil},
		"label far beyond the table":  {symbols, with(func(ts *writev2.TimeSeries) { ts.LabelsRefs[0] = math.MaxUint32 }), nil},
		"help beyond the table":       {symbols, with(func(ts *writev2.TimeSeries) { ts.Metadata.HelpRef = 5 }), nil},
		"unit beyond the table":       {symbols, with(func(ts *writev2.TimeSeries) { ts.Metadata.UnitRef = 5 }), nil},
		"an odd number of references": {symbols, with(func(ts *writev2.TimeSeries) { ts.LabelsRefs = ts.LabelsRefs[:3] }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := serveKeeper(t)
			a := k.write(version2, encodeV2(t, tc.symbols, good, tc.other))
			if tc.want == nil {
				require.Equal(t, http.StatusBadRequest, a.status)
				require.Equal(t, []string{"0", "0", "0"}, a.written())
				require.Empty(t, k.archived(), "nothing of a malformed request is stored")
				return
			}
			require.Equal(t, stored{`{__name__="m", a="1"}`: tc.want}, k.archived(), a.body)
		})
	}
}

// What a sender must not do, but may be done without losing anything, is taken.
func TestConformanceSamples(t *testing.T) {
	nan := func(bits uint64) float64 { return math.Float64frombits(bits) }
	const series = `{__name__="m"}`
	message := func(samples ...prompb.Sample) prompb.TimeSeries { return labeled(samples, "__name__", "m") }
	for name, tc := range map[string]struct {
		sent []prompb.TimeSeries
		want stored
	}{
		"every millisecond": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: t0, Value: 1}, prompb.Sample{Timestamp: t0 + 1, Value: 2}, prompb.Sample{Timestamp: t0 + 2, Value: 3})},
			stored{series: {t0: "1", t0 + 1: "2", t0 + 2: "3"}},
		},
		"staleness marker": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: t0, Value: 1}, prompb.Sample{Timestamp: t0 + 1, Value: nan(value.StaleNaN)})},
			stored{series: {t0: "1", t0 + 1: "0x7ff0000000000002"}},
		},
		"values that are no numbers": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: t0, Value: nan(value.NormalNaN)}, prompb.Sample{Timestamp: t0 + 1, Value: math.Inf(1)},
				prompb.Sample{Timestamp: t0 + 2, Value: math.Inf(-1)}, prompb.Sample{Timestamp: t0 + 3, Value: nan(0xfff8dead00000000)})},
			stored{series: {t0: "0x7ff8000000000001", t0 + 1: "+Inf", t0 + 2: "-Inf", t0 + 3: "0xfff8dead00000000"}},
		},
		"out of order": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: t0 + 5, Value: 5}, prompb.Sample{Timestamp: t0, Value: 0}, prompb.Sample{Timestamp: t0 + 2, Value: 2})},
			stored{series: {t0: "0", t0 + 2: "2", t0 + 5: "5"}},
		},
		"one series in several messages": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: t0 + 1, Value: 1}), message(prompb.Sample{Timestamp: t0 + 2, Value: 2}), message(prompb.Sample{Timestamp: t0, Value: 0}, prompb.Sample{Timestamp: t0 + 2, Value: 2})},
			stored{series: {t0: "0", t0 + 1: "1", t0 + 2: "2"}},
		},
		"a series without samples": {
			[]prompb.TimeSeries{labeled(nil, "__name__", "nothing"), message(prompb.Sample{Timestamp: t0, Value: 1})},
			stored{series: {t0: "1"}},
		},
		"before the epoch": {
			[]prompb.TimeSeries{message(prompb.Sample{Timestamp: -1000, Value: 1}, prompb.Sample{Timestamp: 0, Value: 2})},
			stored{series: {-1000: "1", 0: "2"}},
		},
	} {
		for _, v := range bothVersions {
			t.Run(name+" "+string(v), func(t *testing.T) {
				k := serveKeeper(t)
				for range 2 { // a second time it is there already
					a := k.write(v, encode(t, v, tc.sent...))
					require.Equal(t, http.StatusNoContent, a.status, a.body)
				}
				require.EqualValues(t, len(tc.want), k.status().Series)
				require.Equal(t, tc.want, k.archived())
			})
		}
	}
}

// A sample at the end of what an int64 can say is the fault of its sender, and
// must not cost the others theirs.
func TestConformanceExtremeTimestamps(t *testing.T) {
	for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64} {
		for _, v := range bothVersions {
			t.Run(fmt.Sprintf("%d %s", at, v), func(t *testing.T) {
				k := serveKeeper(t)
				a := k.write(v, encode(t, v, labeled([]prompb.Sample{{Timestamp: at, Value: 1}}, "__name__", "extreme")))
				require.Equal(t, http.StatusBadRequest, a.status, a.body)
				a = k.write(v, encode(t, v, float("good", 1, 2)))
				require.Equal(t, http.StatusNoContent, a.status, a.body)
				require.Equal(t, stored{`{__name__="good", job="test"}`: {t0: "1", t0 + 1000: "2"}}, k.archived())
			})
		}
	}
}

func TestConformanceMetadata(t *testing.T) {
	for name, tc := range map[string]struct {
		sent writev2.Metadata
		want *archive.Metadata
	}{
		"all of it":          {writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 3, UnitRef: 4}, &archive.Metadata{Type: "counter", Help: "What it is.", Unit: "bytes"}},
		"no unit":            {writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE, HelpRef: 3}, &archive.Metadata{Type: "gauge", Help: "What it is."}},
		"type not specified": {writev2.Metadata{HelpRef: 3}, &archive.Metadata{Type: "unknown", Help: "What it is."}},
		"type not known":     {writev2.Metadata{Type: 99, UnitRef: 4}, &archive.Metadata{Type: "unknown", Unit: "bytes"}},
		"nothing in it":      {writev2.Metadata{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := serveKeeper(t)
			a := k.write(version2, encodeV2(t, []string{"__name__", "m", "What it is.", "bytes"}, writev2.TimeSeries{
				LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{sampleV2(t0, 1)}, Metadata: tc.sent,
			}))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Equal(t, stored{`{__name__="m"}`: {t0: "1"}}, k.archived())
			m, ok := k.manifest().Metrics["m"]
			require.Equal(t, tc.want != nil, ok)
			if ok {
				require.Equal(t, *tc.want, m)
			}
		})
	}
}

// Whatever is in an exemplar, the sample it belongs to is stored.
func TestConformanceExemplars(t *testing.T) {
	for name, e := range map[string]writev2.Exemplar{
		"with a trace":      {LabelsRefs: []uint32{3, 4}, Value: 1, Timestamp: t0},
		"without labels":    {Value: 1, Timestamp: t0},
		"without timestamp": {LabelsRefs: []uint32{3, 4}, Value: 1},
		"of no number":      {Value: math.NaN(), Timestamp: -1},
	} {
		t.Run(name, func(t *testing.T) {
			k := serveKeeper(t)
			a := k.write(version2, encodeV2(t, []string{"__name__", "m", "trace_id", "abc"}, writev2.TimeSeries{
				LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{sampleV2(t0, 1)}, Exemplars: []writev2.Exemplar{e, e},
			}))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Equal(t, []string{"1", "0", "0"}, a.written())
			require.EqualValues(t, 2, k.status().Exemplars)
			require.Equal(t, stored{`{__name__="m"}`: {t0: "1"}}, k.archived())
		})
	}
}
