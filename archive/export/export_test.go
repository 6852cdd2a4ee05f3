package export

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestCSV(t *testing.T) {
	text, sum := exported(t, newSource(t, everything()), Options{Format: CSV})
	golden(t, "everything.csv", text)
	require.Equal(t, &Summary{Series: 18, Samples: 34}, sum)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+34)
	hostile := 0
	for _, row := range rows[1:] {
		var l map[string]string
		require.NoError(t, json.Unmarshal([]byte(row[1]), &l))
		if l["text"] == "a \"quoted\" \\back\\slash,\nnew line\tand é" {
			hostile++
		}
		if row[7] != "" {
			require.True(t, json.Valid([]byte(row[7])), row[7])
		}
	}
	require.Equal(t, 5, hostile)
}

func TestSelection(t *testing.T) {
	src := newSource(t, everything())
	match := func(texts ...string) (all []Match) {
		for _, text := range texts {
			m, err := ParseMatch(text)
			require.NoError(t, err)
			all = append(all, m)
		}
		return all
	}
	for name, c := range map[string]struct {
		options Options
		series  int64
		samples int64
	}{
		"all":                   {Options{}, 18, 34},
		"a name":                {Options{Match: match("bare")}, 1, 1},
		"a label":               {Options{Match: match(`{code="500"}`)}, 1, 2},
		"one of two":            {Options{Match: match(`{code="500"}`, "bare")}, 2, 3},
		"what several pick":     {Options{Match: match(`{code=~".+"}`, `{__name__=~"http_.*"}`, "http_requests_total")}, 3, 6},
		"nothing":               {Options{Match: match("missing")}, 0, 0},
		"from":                  {Options{From: base + 30_000, To: math.MaxInt64}, 4, 6},
		"to":                    {Options{From: math.MinInt64, To: base}, 17, 17},
		"a millisecond between": {Options{From: base + 1, To: base + 14_999}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []Format{CSV, Parquet} {
				c.options.Format = format
				_, sum := exported(t, src, c.options)
				require.Equal(t, &Summary{Series: c.series, Samples: c.samples}, sum)
			}
		})
	}
	text, _ := exported(t, src, Options{Format: OpenMetrics, Match: match("missing")})
	require.Equal(t, "# EOF\n", text)
	text, _ = exported(t, src, Options{Format: CSV, Match: match("missing")})
	require.Equal(t, csvHead, text)
}

func TestParseMatch(t *testing.T) {
	for text, at := range map[string]int{
		`http_requests_total{code=}`: 25,
		`{code="200"`:                11,
		`rate(x[1m])`:                4,
		``:                           0,
	} {
		_, err := ParseMatch(text)
		var syntax *archive.SyntaxError
		require.ErrorAs(t, err, &syntax, text)
		require.Equal(t, at, syntax.At, "%s: %v", text, err)
	}
}

// Where a block turns out to be damaged in the middle, everything is written
// once more.
func TestRestart(t *testing.T) {
	src := newSource(t, everything())
	for _, format := range []Format{CSV, Parquet, OpenMetrics} {
		want, sum := exported(t, src, Options{Format: format})
		src.failures = 1
		got, again := exported(t, src, Options{Format: format})
		require.Equal(t, want, got, format)
		require.Equal(t, sum, again)
	}
}

// full is an output that takes so many bytes.
type full struct{ left int }

var errFull = errors.New("no space left on device")

func (f *full) Restart() error { return nil }
func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	src := newSource(t, everything())
	for _, format := range []Format{CSV, Parquet, OpenMetrics} {
		text, _ := exported(t, src, Options{Format: format})
		for left := 0; left < len(text); left += 1 + len(text)/7 {
			_, err := Samples(t.Context(), src, &full{left}, Options{Format: format, From: math.MinInt64, To: math.MaxInt64})
			require.ErrorIs(t, err, errFull, "%s, after %d bytes", format, left)
		}
	}
}
