package main

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/query"
)

// cachedBlocks are the folders of blocks in the cache.
func cachedBlocks(t *testing.T) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "benchkeep", "blocks", "01*"))
	require.NoError(t, err)
	return blocks
}

func TestQueryFetchesTheRunsBlocksAlone(t *testing.T) {
	inArchive(t)
	for _, format := range []string{"table", "json", "csv", "plot"} {
		out, errors, code := command(t, "query nightly-42 http_requests_total -o "+format)
		require.Zero(t, code, errors)
		require.NotEmpty(t, out)
		require.NotContains(t, out, "\x1b", "no colours but on a terminal")
	}
	require.Len(t, cachedBlocks(t), 1)
	info, err := os.Stat(cachedBlocks(t)[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "samples may be nobody else's business")
}

func TestQueryBadInput(t *testing.T) {
	inArchive(t)
	for line, want := range map[string]string{
		"query nightly-42":                                        "required argument 'promql' not provided",
		"query nightly up":                                        `2 runs begin with "nightly"`,
		"query nobody up":                                         `no run "nobody"`,
		"query nightly-42 'sum(up'":                               "1:7: parse error: unclosed left parenthesis\n  sum(up\n        ^\n",
		"query nightly-42 up --at=5":                              `--at="5": want a duration after the run's start as in 30s`,
		"query nightly-42 up --from=soon":                         `--from="soon": want a duration`,
		"query nightly-42 up --to=soon":                           `--to="soon": want a duration`,
		"query nightly-42 up --from=2h":                           "--from is 1h0m15s after --to: want a range that ends after it begins; the run is 59m45s long",
		"query nightly-42 up --step=0s":                           "--step=0s: want a duration as in 15s",
		"query nightly-42 up --step=x":                            "--step=x: want a duration as in 15s",
		"query nightly-42 up --at=5m --step=1m":                   "--at is an instant",
		"query nightly-42 up --at=5m -o plot":                     "--at is an instant",
		"query nightly-42 up -o xml":                              "must be one of table,json,csv,plot",
		"query nightly-42 up --cache.size=0B":                     "--cache.size=0B: want more than nothing",
		"query nightly-42 up --cache.size=lots":                   "--cache.size=lots: ",
		"query nightly-42 up --cache.size=1KiB --cache.dir=small": "more than --cache.size=1024B allows: give at least --cache.size=",
		"query nightly-42 up --cache.dir=/dev/null/x":             "--cache.dir=/dev/null/x has to be a folder that can be written",
		"query nightly-42 up --query.url=thanos":                  "--query.url: want the address",
		"query nightly-42 up --query.url=http://127.0.0.1:1":      "--query.url: Post \"http://127.0.0.1:1/api/v1/query\": dial tcp",
		`query nightly-42 'up + on (branch) http_requests_total'`: "many-to-many",
		"query nightly-42 'http_requests_total[5m]' --step=1m":    "invalid expression type",
	} {
		out, errors, code := command(t, line)
		require.Equal(t, exitBadUsage, code, line)
		require.Contains(t, errors, want, line)
		require.Empty(t, out, line)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, errors, code := command(t, "query nightly-42 up")
	require.Equal(t, exitBadUsage, code)
	require.Contains(t, errors, "say with --cache.dir where to keep blocks")
}

// What cannot be read of a run is exit code 2, and what can is printed.
func TestQueryOfADamagedRun(t *testing.T) {
	bkt := inArchive(t)
	catalogue, err := archive.ReadCatalogue(t.Context(), bkt, archive.CatalogueOptions{})
	require.NoError(t, err)
	block := func(run string) string {
		r, err := catalogue.Find(run, false)
		require.NoError(t, err)
		return filepath.Join(embeddedBucket, r.Blocks[0].ULID.String())
	}
	require.NoError(t, os.Truncate(filepath.Join(block("nightly-42"), archive.IndexFile), 20))
	out, errors, code := command(t, "query nightly-42 up")
	require.Equal(t, exitNotSafe, code)
	require.Empty(t, out)
	require.Contains(t, errors, "it is damaged in the bucket: index has 20 bytes, meta.json says ")
	require.Empty(t, cachedBlocks(t))

	require.NoError(t, os.RemoveAll(block("pr-907-1")))
	_, errors, code = command(t, "query pr-907-1 up")
	require.Equal(t, exitNotSafe, code)
	require.Contains(t, errors, "run pr-907-1 has none of its blocks in the bucket: 1 missing")

	require.NoError(t, bkt.Upload(t.Context(), archive.ManifestObject("nightly-41", "other"), strings.NewReader(`{`)))
	out, errors, code = command(t, "query nightly-41 up")
	require.Equal(t, exitNotSafe, code)
	require.Contains(t, out, "up      17925\n")
	require.Contains(t, errors, "warning: 1 of the run's manifests cannot be read")
	require.Contains(t, errors, "other.json cannot be read")
}

func TestQueryOfARunThatGoesOn(t *testing.T) {
	bkt := inArchive(t)
	redate(t, bkt, "pr-907-2", archive.StateRunning, time.Now())
	out, errors, code := command(t, "query pr-907-2 up")
	require.Zero(t, code)
	require.Contains(t, out, "17925")
	require.Contains(t, errors, "run pr-907-2 goes on: the answer is about what is in the bucket so far, up to 2025-01-15T09:59:45Z")
}

func TestQueryThroughAServer(t *testing.T) {
	inArchive(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.FormValue("query"); got != `up{run="nightly-42"}` {
			t.Errorf("asked for %s", got)
		}
		w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1,"42"]}]},"warnings":["a store\nis away"]}`)) //nolint:errcheck // the test tells
	}))
	defer server.Close()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	out, errors, code := command(t, "query nightly-42 up -o json --query.url="+server.URL)
	require.Zero(t, code, errors)
	require.JSONEq(t, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1,"42"]}]},"warnings":["a store\nis away"]}`, out)
	require.Equal(t, "benchkeep: warning: a store is away\n", errors)
	require.Empty(t, cachedBlocks(t))
}

// allKinds is an answer with everything that can be in one.
func allKinds() *queryAnswer {
	h := &query.Histogram{Count: 4, Sum: 10, Buckets: []query.Bucket{{Boundaries: 0, Lower: 1, Upper: 2, Count: 3}, {Boundaries: 3, Lower: -1e-7, Upper: 1e-7, Count: 1}}}
	return &queryAnswer{
		Result: &query.Result{Type: parser.ValueTypeMatrix, Series: []query.Series{
			{Labels: labels.FromStrings("__name__", "a", "x", "<1>\x1b[2J", "run", "r"), Points: []query.Point{{T: 10_000, V: 0.30000000000000004}, {T: 20_500, H: h}}},
			{Labels: labels.FromStrings("__name__", "my.metric", "run", "r", "é", "2"), Points: []query.Point{{T: 10_000, V: math.NaN()}, {T: 20_500, V: math.Inf(1)}, {T: 31_000, V: 1e21}}},
		}},
		run: &archive.Run{ID: "r", Blocks: []*archive.StoredBlock{
			{Labels: map[string]string{"run": "r", "shard": "0"}}, {Labels: map[string]string{"run": "r", "shard": "1"}},
		}},
		asked: span{from: 10_000, to: 31_000, step: 10_500 * time.Millisecond, start: 20_000},
	}
}

func printedAs(t *testing.T, a *queryAnswer, format string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, a.print(f, format))
	require.NoError(t, f.Close())
	out, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(out)
}

func TestQueryFormats(t *testing.T) {
	a := allKinds()
	require.Equal(t, `run   r
from  -10s  1970-01-01T00:00:10Z
to    11s  1970-01-01T00:00:31Z
step  10s500ms

== a{x="<1>\x1b[2J"}
-10s   0.3
500ms  count=4 sum=10 mean=2.5 buckets=2

== {"my.metric", "é"="2"}
-10s   NaN
500ms  +Inf
11s    1e+21
`, printedAs(t, a, formatTable))
	require.JSONEq(t, `{"status": "success", "data": {"resultType": "matrix", "result": [
	{"metric": {"__name__": "a", "x": "<1>\u001b[2J", "run": "r"}, "values": [[10, "0.30000000000000004"]],
		"histograms": [[20.5, {"count": "4", "sum": "10", "buckets": [[0, "1", "2", "3"], [3, "-1e-07", "1e-07", "1"]]}]]},
	{"metric": {"__name__": "my.metric", "run": "r", "é": "2"}, "values": [[10, "NaN"], [20.5, "+Inf"], [31, "1e+21"]]}]}}`, printedAs(t, a, formatJSON))
	require.Contains(t, printedAs(t, a, formatJSON), `"<1>`, "as Prometheus writes it")
	rows, err := csv.NewReader(strings.NewReader(printedAs(t, a, formatCSV))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"time", "seconds", "__name__", "run", "x", "é", "value", "count", "sum"},
		{"1970-01-01T00:00:10.000Z", "-10", "a", "r", "<1>\x1b[2J", "", "0.30000000000000004", "", ""},
		{"1970-01-01T00:00:20.500Z", "0.5", "a", "r", "<1>\x1b[2J", "", "", "4", "10"},
		{"1970-01-01T00:00:10.000Z", "-10", "my.metric", "r", "", "2", "NaN", "", ""},
		{"1970-01-01T00:00:20.500Z", "0.5", "my.metric", "r", "", "2", "+Inf", "", ""},
		{"1970-01-01T00:00:31.000Z", "11", "my.metric", "r", "", "2", "1e+21", "", ""},
	}, rows)
}

func TestQueryFormatsOfOtherTypes(t *testing.T) {
	for _, c := range []struct {
		result            query.Result
		table, json, rows string
	}{
		{query.Result{Type: parser.ValueTypeScalar, Series: []query.Series{{Points: []query.Point{{T: 1500, V: 2}}}}}, "\n\n2\n", `[1.500,"2"]`, "\n1970-01-01T00:00:01.500Z,1.5,2\n"},
		{query.Result{Type: parser.ValueTypeString, Text: "a\x1bb"}, "\n\na b\n", `[1.500,"a\u001bb"]`, "\n1970-01-01T00:00:01.500Z,1.5,a\x1bb\n"},
		{query.Result{Type: parser.ValueTypeVector}, "", "[]", "time,seconds,value\n"},
		{query.Result{Type: parser.ValueTypeMatrix}, "", "[]", "time,seconds,value\n"},
		{query.Result{Type: parser.ValueTypeVector, Series: []query.Series{{Points: []query.Point{{T: 1500, H: &query.Histogram{}}}}}},
			"{}      count=0 sum=0 mean=NaN buckets=0\n", `[{"metric":{},"histogram":[1.500,{"count":"0","sum":"0"}]}]`, ",,0,0\n"},
	} {
		a := &queryAnswer{Result: &c.result, run: &archive.Run{ID: "r"}, asked: span{from: 1500, to: 1500}}
		require.True(t, strings.HasSuffix(printedAs(t, a, formatTable), c.table), printedAs(t, a, formatTable))
		require.True(t, strings.HasSuffix(printedAs(t, a, formatCSV), c.rows), printedAs(t, a, formatCSV))
		var answer struct {
			Data struct{ Result json.RawMessage }
		}
		require.NoError(t, json.Unmarshal([]byte(printedAs(t, a, formatJSON)), &answer))
		require.Equal(t, c.json, string(answer.Data.Result))
	}
}

func TestNumbersAreWrittenAsPrometheusDoes(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "-0", 1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 9e-7: "9e-07",
		-1.5: "-1.5", math.Inf(-1): "-Inf", math.MaxFloat64: "1.7976931348623157e+308", math.SmallestNonzeroFloat64: "5e-324",
	} {
		require.Equal(t, want, apiNumber(v))
	}
	require.Equal(t, "NaN", apiNumber(math.NaN()))
	require.Equal(t, "1736978385.007", string(apiTime(1736978385007)))
	require.Equal(t, "-0.500", string(apiTime(-500)))
	require.Equal(t, "1736978385", string(apiTime(1736978385000)))
	require.Equal(t, "1.79769313486e+308", numberText(math.MaxFloat64))
	require.Equal(t, "3", numberText(2.9999999999999996))
}

func TestPlotIsAsWideAsItMayBe(t *testing.T) {
	many := func(n int, value func(series, at int) float64) *queryAnswer {
		a := &queryAnswer{Result: &query.Result{Type: parser.ValueTypeMatrix}, run: &archive.Run{ID: "r"}, asked: span{to: 249_000, step: time.Second}}
		for i := range n {
			s := query.Series{Labels: labels.FromStrings("i", strings.Repeat("x", i+1))}
			for at := range 250 {
				s.Points = append(s.Points, query.Point{T: int64(at) * 1000, V: value(i, at)})
			}
			a.Series = append(a.Series, s)
		}
		return a
	}
	for name, value := range map[string]func(series, at int) float64{
		"line":       func(i, at int) float64 { return float64(i * at) },
		"constant":   func(int, int) float64 { return 7 },
		"zero":       func(int, int) float64 { return 0 },
		"huge":       func(i, at int) float64 { return 1e300 * float64(i+at) },
		"small":      func(i, at int) float64 { return 1e-300 * float64(i-at) },
		"largest":    func(i, at int) float64 { return [...]float64{-1, 1.7e308, 1e300}[(i+at)%3] },
		"smallest":   func(i, at int) float64 { return 5e-324 * float64(at%2) },
		"far":        func(i, at int) float64 { return 1e18 + 256*float64(at) },
		"with gaps":  func(i, at int) float64 { return [...]float64{1, math.NaN(), math.Inf(1), -5}[(i+at)%4] },
		"lone point": func(i, at int) float64 { return [...]float64{math.NaN(), -5}[(i+at)/249%2] },
	} {
		t.Run(name, func(t *testing.T) {
			for _, width := range []int{20, 80, 300} {
				for _, coloured := range []bool{false, true} {
					a := many(3, value)
					var lines [][]float64
					for _, s := range a.drawable() {
						lines = append(lines, a.line(s))
					}
					require.NotEmpty(t, lines)
					drawn := a.draw(lines, width, coloured)
					for line := range strings.Lines(drawn) {
						if !coloured {
							require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), max(width, 24), drawn)
						}
					}
				}
			}
		})
	}
	a := many(11, func(i, at int) float64 { return float64(i * at) })
	a.Series = append(a.Series, query.Series{Points: []query.Point{{H: &query.Histogram{}}}}, query.Series{Points: []query.Point{{V: math.NaN()}}})
	out := printedAs(t, a, formatPlot)
	require.Contains(t, out, "\n8 {i=\"xxxxxxxx\"}\n")
	require.NotContains(t, out, "xxxxxxxxx")
	require.Equal(t, "not drawn: 3 more, of which topk or an aggregation picks some; 1 native histogram, of which histogram_quantile, histogram_count or histogram_sum is; 1 without a finite number", a.undrawn)
	single := many(1, func(_, at int) float64 { return float64(at) })
	require.Contains(t, printedAs(t, single, formatPlot), "\n─ {i=\"x\"}\n")
	nothing := many(0, nil)
	require.Empty(t, printedAs(t, nothing, formatPlot))
}

func TestStepOfARange(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		0: time.Second, 249 * time.Second: time.Second, 250 * time.Second: 2 * time.Second, time.Hour: 15 * time.Second,
		24 * time.Hour: 10 * time.Minute, 100 * 24 * time.Hour: 12 * time.Hour, 365 * 24 * time.Hour: 48 * time.Hour,
	} {
		require.Equal(t, want, stepFor(length), length)
		require.Less(t, length/stepFor(length), time.Duration(pointsWanted))
	}
}
