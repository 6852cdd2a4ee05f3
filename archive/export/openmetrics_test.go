package export

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestOpenMetrics(t *testing.T) {
	text, sum := exported(t, newSource(t, everything()), Options{Format: OpenMetrics})
	golden(t, "everything.openmetrics", text)
	require.Equal(t, &Summary{Series: 16, Samples: 28, Histograms: 4, HistogramSeries: 3, Stale: 2}, sum)
	require.Equal(t, floatsOf(everything()), parsed(t, text))
}

// floatsOf is what OpenMetrics can tell of: samples by series and time.
func floatsOf(all []content) map[string]string {
	want := map[string]string{}
	for _, c := range all {
		for i, v := range c.values {
			if f, ok := v.(float64); ok && !value.IsStaleNaN(f) {
				want[fmt.Sprint(c.labels, c.from+int64(i)*15_000)] = strconv.FormatFloat(f, 'g', -1, 64)
			}
		}
	}
	return want
}

// parsed reads a text as Prometheus does. It fails where a series comes back
// after another, or goes back in time.
func parsed(t *testing.T, text string) map[string]string {
	t.Helper()
	got := map[string]string{}
	p := textparse.NewOpenMetricsParser([]byte(text), labels.NewSymbolTable())
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err, text)
		if entry != textparse.EntrySeries {
			continue
		}
		_, at, v := p.Series()
		require.NotNil(t, at)
		var l labels.Labels
		p.Labels(&l)
		key := fmt.Sprint(l, *at)
		require.NotContains(t, got, key)
		got[key] = strconv.FormatFloat(v, 'g', -1, 64)
	}
}

// Where names or labels do not keep to the format's rules, the type is unknown,
// and the samples are the same.
func TestOpenMetricsTypes(t *testing.T) {
	one := []any{1.0}
	for name, c := range map[string]struct {
		content  []content
		metadata map[string]archive.Metadata
		want     []string // TYPE lines
	}{
		"described by family": {
			[]content{series(base, one, "__name__", "a_total")},
			map[string]archive.Metadata{"a": {Type: "counter"}},
			[]string{"a counter"},
		},
		"described by series, as remote write 2.0 does": {
			[]content{series(base, one, "__name__", "s", "quantile", "0.5"), series(base, one, "__name__", "s_count"), series(base, one, "__name__", "s_sum")},
			map[string]archive.Metadata{"s": {Type: "summary"}, "s_count": {Type: "summary"}, "s_sum": {Type: "summary"}},
			[]string{"s summary"},
		},
		"a gauge has the counter's name": {
			[]content{series(base, one, "__name__", "a_total"), series(base, one, "__name__", "a")},
			map[string]archive.Metadata{"a_total": {Type: "counter"}, "a": {Type: "gauge"}},
			[]string{"a gauge", "a_total unknown"},
		},
		"a gauge has a name that the counter could take": {
			[]content{series(base, one, "__name__", "a_total"), series(base, one, "__name__", "a_created")},
			map[string]archive.Metadata{"a_total": {Type: "counter"}, "a_created": {Type: "gauge"}},
			[]string{"a_created gauge", "a_total unknown"},
		},
		"nothing is known": {[]content{series(base, one, "__name__", "a_total")}, nil, []string{"a_total unknown"}},
		"a histogram without a bucket for everything": {
			[]content{series(base, one, "__name__", "h_bucket", "le", "1.0")},
			map[string]archive.Metadata{"h": {Type: "histogram"}},
			[]string{"h_bucket unknown"},
		},
		"a bound that Prometheus would write otherwise": {
			[]content{series(base, one, "__name__", "h_bucket", "le", "1"), series(base, one, "__name__", "h_bucket", "le", "+Inf")},
			map[string]archive.Metadata{"h": {Type: "histogram"}},
			[]string{"h_bucket unknown"},
		},
		"a sum without a count": {
			[]content{series(base, one, "__name__", "h_bucket", "le", "+Inf"), series(base, one, "__name__", "h_sum")},
			map[string]archive.Metadata{"h": {Type: "histogram"}},
			[]string{"h_bucket unknown", "h_sum unknown"},
		},
		"a native histogram beside the classic one": {
			[]content{series(base, one, "__name__", "h_bucket", "le", "+Inf"), series(base, []any{twoSided(1)}, "__name__", "h")},
			map[string]archive.Metadata{"h": {Type: "histogram"}},
			[]string{"h histogram"},
		},
		"values under the name of the histogram": {
			[]content{series(base, one, "__name__", "h_bucket", "le", "+Inf"), series(base, []any{twoSided(1), 2.0}, "__name__", "h")},
			map[string]archive.Metadata{"h": {Type: "histogram"}},
			[]string{"h_bucket unknown", "h unknown"},
		},
		"gauge histogram": {
			[]content{series(base, one, "__name__", "g_bucket", "le", "+Inf"), series(base, one, "__name__", "g_gcount"), series(base, one, "__name__", "g_gsum")},
			map[string]archive.Metadata{"g": {Type: "gaugehistogram"}},
			[]string{"g gaugehistogram"},
		},
		"info": {
			[]content{series(base, one, "__name__", "build_info", "version", "1")},
			map[string]archive.Metadata{"build": {Type: "info"}},
			[]string{"build info"},
		},
		"state set": {
			[]content{series(base, one, "__name__", "state", "state", "on"), series(base, one, "__name__", "other", "state", "on")},
			map[string]archive.Metadata{"state": {Type: "stateset"}, "other": {Type: "stateset"}},
			[]string{"other unknown", "state stateset"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.metadata == nil {
				c.metadata = map[string]archive.Metadata{}
			}
			text, _ := exported(t, newSource(t, c.content), Options{Format: OpenMetrics, Metadata: c.metadata})
			var got []string
			p := textparse.NewOpenMetricsParser([]byte(text), labels.NewSymbolTable())
			for entry, err := p.Next(); err == nil; entry, err = p.Next() {
				if entry == textparse.EntryType {
					name, kind := p.Type()
					got = append(got, string(name)+" "+string(kind))
				}
			}
			require.Equal(t, c.want, got, text)
			require.Equal(t, floatsOf(c.content), parsed(t, text))
		})
	}
}

// Prometheus cuts off what is below the millisecond of a product that is not
// exact.
func TestTimesAreReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	times := []int64{0, 1, 999, 1000, 1001, 1_073_741_824_123, 4_102_444_800_123, 253_402_300_799_999, -1, -1001, -62_135_596_799_999}
	for range 200_000 {
		times = append(times, random.Int64N(1<<42)-1<<40)
	}
	longer := 0
	for _, ms := range times {
		text := string(appendSeconds(nil, ms))
		seconds, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		require.Equal(t, ms, int64(seconds*1000), text)
		require.Equal(t, ms, int64(math.Round(seconds*1000)), text)
		if _, fraction, _ := strings.Cut(text, "."); len(fraction) > 3 {
			longer++
		}
	}
	require.NotZero(t, longer)
	require.Equal(t, "1736845200.123", string(appendSeconds(nil, base)))
	require.Equal(t, "1736845200", string(appendSeconds(nil, base-123)))
}
