package query

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A question is an expression about one of the runs. In it, {$} and {$,… are
// selectors that Thanos has to be told the run of, and benchkeep has not.
type question struct {
	run, expr string
	// at is the time of an instant; a range is from, to and step.
	at, from, to time.Time
	step         time.Duration
	// times are the flags that say the same, where they are not absolute.
	times []string
	empty bool // that is what is expected
}

// TestAnswersAreThoseOfThanos asks both, and benchkeep also by way of Thanos.
func TestAnswersAreThoseOfThanos(t *testing.T) {
	a := newArchive(t)
	thanos := harness.StartThanos(t, a.dir, a.bucket)
	questions := a.questions(t)
	if len(questions) < 50 {
		t.Fatalf("only %d questions", len(questions))
	}
	for i, q := range questions {
		t.Run(fmt.Sprintf("%02d", i), func(t *testing.T) {
			t.Parallel()
			want := askThanos(t, thanos, q)
			if empty := want.points() == 0; empty != q.empty {
				t.Fatalf("%s: Thanos' answer has %d points, expected empty: %v", q.expr, want.points(), q.empty)
			}
			if d := want.diff(askBenchkeep(t, a, i, q), q); d != "" {
				t.Errorf("%s, from the blocks: %s", q.expr, d)
			}
			if d := want.diff(askBenchkeep(t, a, i, q, "--query.url="+thanos.URL()), q); d != "" {
				t.Errorf("%s, through --query.url: %s", q.expr, d)
			}
		})
	}
}

func askThanos(t *testing.T, thanos *harness.Thanos, q question) answer {
	t.Helper()
	ofRun := "run=" + strconv.Quote(q.run)
	form := url.Values{
		"query": {strings.NewReplacer("{$", "{"+ofRun).Replace(q.expr)},
		"dedup": {"false"}, "partial_response": {"false"}, "max_source_resolution": {"0s"},
	}
	endpoint := "query"
	if q.step == 0 {
		form.Set("time", seconds(q.at))
	} else {
		endpoint = "query_range"
		form.Set("start", seconds(q.from))
		form.Set("end", seconds(q.to))
		form.Set("step", strconv.FormatFloat(q.step.Seconds(), 'f', -1, 64))
	}
	resp, err := http.PostForm(thanos.URL()+"/api/v1/"+endpoint, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, q.expr, string(body))
}

func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}

func askBenchkeep(t *testing.T, a *archive, i int, q question, args ...string) answer {
	t.Helper()
	const layout = time.RFC3339Nano
	expr := strings.NewReplacer("{$,", "{", "{$}", "").Replace(q.expr)
	command := append([]string{"query", q.run, expr, "-o", "json", "--objstore.config-file=" + a.bucket.ConfigFile}, args...)
	switch {
	case q.times != nil:
		command = append(command, q.times...)
	case q.step == 0:
		command = append(command, "--at="+q.at.UTC().Format(layout))
	default:
		command = append(command, "--from="+q.from.UTC().Format(layout), "--to="+q.to.UTC().Format(layout), "--step="+q.step.String())
	}
	p := harness.Benchkeep(t, a.dir, fmt.Sprintf("query-%02d-%d", i, len(args)), command...)
	_, out, _ := strings.Cut(p.Log(), "\n") // the first line is the command
	if code := p.Wait(); code != 0 {
		t.Fatalf("%s: exit code %d: %s", command, code, out)
	}
	return decoded(t, expr, out)
}

// answer is the API's, of all types.
type answer struct {
	Status string
	Data   struct {
		ResultType string
		Result     json.RawMessage
	}
	Error string

	series []series
}

type series struct {
	Metric     map[string]string
	Value      []any
	Histogram  []any
	Values     [][]any
	Histograms [][]any
}

func decoded(t *testing.T, expr, text string) (a answer) {
	t.Helper()
	// Remarks to people may follow.
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&a); err != nil {
		t.Fatalf("%s: %v\n%s", expr, err, text)
	}
	if a.Status != "success" {
		t.Fatalf("%s: %s", expr, a.Error)
	}
	var err error
	switch a.Data.ResultType {
	case "vector", "matrix":
		err = json.Unmarshal(a.Data.Result, &a.series)
	default:
		a.series = []series{{}}
		err = json.Unmarshal(a.Data.Result, &a.series[0].Value)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", expr, err, text)
	}
	return a
}

func (s series) points() (n int) {
	n = len(s.Values) + len(s.Histograms)
	if s.Value != nil || s.Histogram != nil {
		n++
	}
	return n
}

func (a answer) points() (n int) {
	for _, s := range a.series {
		n += s.points()
	}
	return n
}

// sorts reports whether the order of the answer's series says something.
func (q question) sorts() bool {
	return strings.HasPrefix(q.expr, "sort") || strings.HasPrefix(q.expr, "topk") && q.step == 0
}

// ulps is by how much a value may differ, relative to it: not at all, but for
// two things. Thanos evens out what rate, irate and increase read of a counter
// that is reset, adding up to each value what came before the reset (pkg/compact/
// downsample, ApplyCounterResetsSeriesIterator), where the engine adds it to the
// difference. And its engine, a version of some months before, sums histograms
// up in plain arithmetic, ours with compensation. Both round to the last digits
// of numbers that are up to some hundred times the result.
func (q question) ulps() float64 {
	if strings.Contains(q.expr, "rate(") || strings.Contains(q.expr, "increase(") || q.expr == averageOfHistograms {
		return 1000 * 0x1p-52
	}
	return 0
}

// diff tells how another answer differs: in its series, and in their order if
// that says something, in times, or in values.
func (a answer) diff(got answer, q question) string {
	if a.Data.ResultType != got.Data.ResultType {
		return fmt.Sprintf("want a %s, got a %s", a.Data.ResultType, got.Data.ResultType)
	}
	byLabels := map[string]series{}
	for _, s := range got.series {
		byLabels[fmt.Sprint(s.Metric)] = s
	}
	if len(byLabels) != len(a.series) || len(got.series) != len(a.series) {
		return fmt.Sprintf("want %d series, got %d", len(a.series), len(got.series))
	}
	for i, want := range a.series {
		if q.sorts() && fmt.Sprint(got.series[i].Metric) != fmt.Sprint(want.Metric) {
			return fmt.Sprintf("series %d is %v, want %v", i, got.series[i].Metric, want.Metric)
		}
		s, ok := byLabels[fmt.Sprint(want.Metric)]
		if !ok {
			return fmt.Sprintf("series %v is missing", want.Metric)
		}
		for _, pair := range [][2]any{{want.Value, s.Value}, {want.Histogram, s.Histogram}, {want.Values, s.Values}, {want.Histograms, s.Histograms}} {
			if d := diffValues(pair[0], pair[1], q.ulps()); d != "" {
				return fmt.Sprintf("series %v: %s", want.Metric, d)
			}
		}
	}
	return ""
}

// diffValues compares what JSON made of values, all the way down.
func diffValues(want, got any, ulps float64) string {
	w, _ := json.Marshal(want)
	g, _ := json.Marshal(got)
	var wantTree, gotTree any
	_ = json.Unmarshal(w, &wantTree) // it was JSON
	_ = json.Unmarshal(g, &gotTree)
	return diffTrees(wantTree, gotTree, ulps)
}

func diffTrees(want, got any, ulps float64) string {
	switch w := want.(type) {
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("want %d values, got %v", len(w), got)
		}
		for i := range w {
			if d := diffTrees(w[i], g[i], ulps); d != "" {
				return fmt.Sprintf("[%d] %s", i, d)
			}
		}
		return ""
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("want %v, got %v", want, got)
		}
		for k := range w {
			if d := diffTrees(w[k], g[k], ulps); d != "" {
				return k + " " + d
			}
		}
		return ""
	case string:
		if g, ok := got.(string); ok && sameNumber(w, g, ulps) {
			return ""
		}
	}
	if want == got {
		return ""
	}
	return fmt.Sprintf("want %v, got %v", want, got)
}

func sameNumber(want, got string, ulps float64) bool {
	w, err := strconv.ParseFloat(want, 64)
	g, gotErr := strconv.ParseFloat(got, 64)
	if err != nil || gotErr != nil {
		return want == got
	}
	return math.Float64bits(w) == math.Float64bits(g) || math.IsNaN(w) && math.IsNaN(g) ||
		math.Abs(w-g) <= ulps*math.Abs(w)
}
