package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/benchkeep/benchkeep/archive/compare"
)

// hostile is a name that is out of place wherever it is taken for more than text.
const hostile = `</script><img src=x onerror="alert(1)">'"{{.}}<!-- ` + "\u2028`${alert(1)}`"

// TestVendored holds the chart library to what was published.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
	} {
		file, err := assets.ReadFile("uplot/" + name)
		require.NoError(t, err)
		sum := sha256.Sum256(file)
		require.Equal(t, want, hex.EncodeToString(sum[:]), name)
	}
}

// A parsed page.
type parsed struct {
	elements map[string][]*html.Node // by name
	text     string                  // all that a reader may see
}

func parse(t *testing.T, page []byte) parsed {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	p := parsed{elements: map[string][]*html.Node{}}
	for n := range root.Descendants() {
		switch {
		case n.Type == html.ElementNode:
			p.elements[n.Data] = append(p.elements[n.Data], n)
		case n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style":
			p.text += n.Data
		}
	}
	return p
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// data decodes what the page's script reads.
func (p parsed) data(t *testing.T, into any) {
	t.Helper()
	for _, n := range p.elements["script"] {
		if attribute(n, "id") == "data" {
			require.NoError(t, json.Unmarshal([]byte(n.FirstChild.Data), into))
			return
		}
	}
	t.Fatal("there is no data")
}

func reportPage(t *testing.T, r *compare.Report) (page []byte, p parsed) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, WriteReport(&out, r))
	return out.Bytes(), parse(t, out.Bytes())
}

func historyPage(t *testing.T, h *compare.History) (page []byte, p parsed) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, WriteHistory(&out, h))
	return out.Bytes(), parse(t, out.Bytes())
}

func run(id string, labels map[string]string) compare.Run {
	return compare.Run{ID: id, Labels: labels, Zero: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Seconds: 90}
}

// named is a report in which everything has that name.
func named(name string) *compare.Report {
	nan := compare.Number(math.NaN())
	row := &compare.Row{
		Subject: compare.Subject{Name: name, Statistic: name, Labels: map[string]string{name: name}, Query: name, Unit: name},
		Base:    compare.Summary{Center: 2, Low: nan, High: nan, N: 1}, New: compare.Summary{Center: 3, Low: nan, High: nan, N: 1},
		P: nan, AdjustedP: nan, Change: 0.5, ChangeLow: nan, ChangeHigh: nan, Verdict: compare.Undecided, Why: name,
		Curves: []compare.Curve{{Run: name, Values: []compare.Number{1.23456789, nan, 123456789, 0}}, {Run: name, Values: []compare.Number{-1e-9}}},
	}
	return &compare.Report{
		Base:   compare.Side{Asked: name, Runs: []compare.Run{run(name, map[string]string{name: "1", "same" + name: name})}},
		New:    compare.Side{Asked: name, Runs: []compare.Run{run(name, map[string]string{name: "2", "same" + name: name})}},
		Window: compare.Window{To: 90, Step: 5}, Alpha: 0.05, MinChange: 0.01,
		Rows: []*compare.Row{row}, Skipped: []compare.Skipped{{Name: name, Why: name}}, Remarks: []string{name},
		Gate: &compare.Gate{
			Thresholds: []string{name}, Broken: []compare.Broken{{Threshold: name, Name: row.Title(), Change: 0.5}},
			Unjudged: []compare.Unjudged{{Threshold: name, Why: name}},
		},
	}
}

func namedHistory(name string) *compare.History {
	return &compare.History{
		Asked: name, Runs: []compare.Run{run(name, map[string]string{name: "1", "same" + name: name}), run("b", map[string]string{name: "2", "same" + name: name})},
		Window: compare.Window{To: 90, Step: 5}, Alpha: 0.05,
		Lines: []*compare.Line{{
			Subject: compare.Subject{Name: name, Labels: map[string]string{name: name}, Query: name, Unit: name},
			Values:  []compare.Number{1, compare.Number(math.Inf(1))}, Why: name,
			ChangePoints: []compare.ChangePoint{{Run: name, Index: 1, P: 0.01, Verdict: compare.Changed}},
		}},
		Skipped: []compare.Skipped{{Name: name, Why: name}}, Remarks: []string{name},
	}
}

// TestNamesStayText writes pages in which every name tries to be more.
func TestNamesStayText(t *testing.T) {
	_, tameReport := reportPage(t, named("tame"))
	_, tameHistory := historyPage(t, namedHistory("tame"))
	for name, tc := range map[string]struct {
		page func() ([]byte, parsed)
		tame parsed
	}{
		"report":  {func() ([]byte, parsed) { return reportPage(t, named(hostile)) }, tameReport},
		"history": {func() ([]byte, parsed) { return historyPage(t, namedHistory(hostile)) }, tameHistory},
	} {
		t.Run(name, func(t *testing.T) {
			page, p := tc.page()
			for element, found := range p.elements {
				require.Len(t, found, len(tc.tame.elements[element]), "as many <%s> as without", element)
			}
			for _, found := range p.elements {
				for _, n := range found {
					for _, a := range n.Attr {
						require.False(t, strings.HasPrefix(a.Key, "on"), "<%s %s=%q>", n.Data, a.Key, a.Val)
					}
				}
			}
			require.Contains(t, p.text, hostile)
			require.NotContains(t, string(page), "onerror=\"", "it is written in no way that could run")
			var data struct {
				Rows, Lines []struct{ Name, Query string }
			}
			p.data(t, &data)
			for _, of := range append(data.Rows, data.Lines...) {
				require.Equal(t, hostile, of.Name)
				require.Equal(t, hostile, of.Query)
			}
		})
	}
}

// TestAlone checks that a page is all there is to it: it names nothing to fetch,
// and its policy lets nothing run but what it has itself.
func TestAlone(t *testing.T) {
	pages := map[string]func() ([]byte, parsed){
		"report":  func() ([]byte, parsed) { return reportPage(t, named("metric")) },
		"history": func() ([]byte, parsed) { return historyPage(t, namedHistory("metric")) },
	}
	hashes := regexp.MustCompile(`'sha256-[^']+'`)
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			_, p := page()
			for _, element := range []string{"link", "img", "iframe", "object", "embed", "base", "form"} {
				require.Empty(t, p.elements[element])
			}
			for _, found := range p.elements {
				for _, n := range found {
					require.Empty(t, attribute(n, "src"))
					require.Empty(t, attribute(n, "style"), "an attribute that the policy forbids")
					if ref := attribute(n, "href"); ref != "" {
						require.True(t, strings.HasPrefix(ref, "#"), ref)
					}
				}
			}

			policy := attribute(p.elements["meta"][1], "content")
			require.Equal(t, "Content-Security-Policy", attribute(p.elements["meta"][1], "http-equiv"))
			var inPage []string
			for _, n := range append(p.elements["script"], p.elements["style"]...) {
				if attribute(n, "type") == "" {
					inPage = append(inPage, source(n.FirstChild.Data))
				}
			}
			require.ElementsMatch(t, inPage, hashes.FindAllString(policy, -1))
			require.Equal(t, "default-src 'none'; script-src # #; style-src #; base-uri 'none'; form-action 'none'", hashes.ReplaceAllString(policy, "#"))

			style := p.elements["style"][0].FirstChild.Data
			require.NotContains(t, style, "url(")
			require.NotContains(t, style, "@import")
			script := p.elements["script"][1].FirstChild.Data
			require.Contains(t, script, "The above copyright notice", "the library's licence goes with it")
		})
	}
}

func TestScriptWritesTextOnly(t *testing.T) {
	own, err := join("base.js", "format.js", "chart.js", "report.js", "history.js")
	require.NoError(t, err)
	for _, way := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "Function(", "fetch(", "XMLHttpRequest", "import("} {
		require.NotContains(t, own, way)
	}
}

func TestDataOfReport(t *testing.T) {
	_, p := reportPage(t, named("metric"))
	var got struct {
		Base, New []struct{ Run string }
		Window    compare.Window
		Rows      []struct {
			Name, Title, Query, Verdict, Why string
			Labels                           map[string]string
			Base, New                        struct{ Center, Low *float64 }
			P, Change                        *float64
			Curves                           []struct {
				Run    string
				Values []*float64
			}
		}
	}
	p.data(t, &got)
	number := func(v float64) *float64 { return &v }
	require.Equal(t, "metric", got.Base[0].Run)
	require.Equal(t, compare.Window{To: 90, Step: 5}, got.Window)
	row := got.Rows[0]
	require.Equal(t, `metric metric {metric="metric"}`, row.Title)
	require.Equal(t, "undecided", row.Verdict)
	require.Equal(t, number(2), row.Base.Center)
	require.Nil(t, row.Base.Low)
	require.Nil(t, row.P)
	require.Equal(t, number(0.5), row.Change)
	require.Equal(t, []*float64{number(1.23457), nil, number(1.23457e8), number(0)}, row.Curves[0].Values, "six digits")
	require.Equal(t, []*float64{number(-1e-9)}, row.Curves[1].Values)
}

func TestHeaderOfReport(t *testing.T) {
	r := named("metric")
	_, p := reportPage(t, r)
	for _, want := range []string{"No change found", "Gate failed", "+50.0 %", "could not be applied: metric", "1 label in common", "1 metric was not compared", "1 run, 2026-03-02 09:00 UTC", "1:30"} {
		require.Contains(t, p.text, want)
	}
	require.Equal(t, "#row-0", attribute(p.elements["a"][0], "href"), "from the gate to its row")

	r.Gate.Broken, r.Gate.Unjudged = nil, nil
	r.Rows[0].Verdict = compare.Regression
	_, p = reportPage(t, r)
	for _, want := range []string{"1 regression", "Gate passed"} {
		require.Contains(t, p.text, want)
	}

	r.Gate = nil
	_, p = reportPage(t, r)
	require.NotContains(t, p.text, "Gate")
}

func TestLabels(t *testing.T) {
	base := []compare.Run{
		run("a", map[string]string{"run": "a", "branch": "main", "commit": "1", "cpu": "x", "extra": "e"}),
		run("b", map[string]string{"run": "b", "branch": "main", "commit": "2", "cpu": "y"}),
	}
	of := []compare.Run{run("c", map[string]string{"run": "c", "branch": "pr", "commit": "2", "cpu": "y"}), run("d", map[string]string{"branch": "pr", "commit": "1", "cpu": "x"})}
	differing, common := compareLabels(base, of)
	require.Equal(t, []labelValues{
		{"branch", []string{"main"}, []string{"pr"}},
		{"extra", []string{"", "e"}, []string{""}},
	}, differing)
	require.Equal(t, []labelValues{
		{"commit", []string{"1", "2"}, []string{"1", "2"}},
		{"cpu", []string{"x", "y"}, []string{"x", "y"}},
	}, common)
	require.Equal(t, "–, e", few(differing[1].Base))
	require.Equal(t, "a, b, c, d and 2 more", few([]string{"a", "b", "c", "d", "e", "f"}))
}

func TestEmpty(t *testing.T) {
	_, p := reportPage(t, &compare.Report{})
	require.Contains(t, p.text, "Nothing was compared")
	var report struct{ Rows []any }
	p.data(t, &report)
	require.NotNil(t, report.Rows)

	_, p = historyPage(t, &compare.History{})
	require.Contains(t, p.text, "Nothing was looked at")
	var history struct{ Lines []any }
	p.data(t, &history)
	require.NotNil(t, history.Lines)
}

func TestNoChangePoints(t *testing.T) {
	h := namedHistory("metric")
	h.Lines[0].ChangePoints = nil
	_, p := historyPage(t, h)
	require.Contains(t, p.text, "No change point found")
}

// TestManyRows bounds a page, whatever it is made of.
func TestManyRows(t *testing.T) {
	for name, tc := range map[string]struct{ rows, points, want int }{
		"many rows":   {rows: 1000, points: 60, want: maxRowsWithCurves},
		"many points": {rows: 12, points: 20_000, want: maxPoints / 20 / 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			r := &compare.Report{}
			values := make([]compare.Number, tc.points)
			for i := range values {
				values[i] = compare.Number(1000 * math.Pi * float64(i))
			}
			for i := range tc.rows {
				row := &compare.Row{Subject: compare.Subject{Name: fmt.Sprintf("metric_%d", i), Query: "up"}, Verdict: compare.Unchanged}
				for range 20 {
					row.Curves = append(row.Curves, compare.Curve{Run: "run", Values: values})
				}
				r.Rows = append(r.Rows, row)
			}
			page, p := reportPage(t, r)
			var data struct{ Rows []struct{ Curves []any } }
			p.data(t, &data)
			require.Len(t, data.Rows, tc.rows)
			for i, row := range data.Rows {
				require.Equal(t, i < tc.want, len(row.Curves) > 0, "row %d", i)
			}
			require.Contains(t, p.text, fmt.Sprintf("The first %d of the %d rows have a chart", tc.want, tc.rows))
			require.Less(t, len(page), 30<<20)
		})
	}
}

// A fullDisk takes so many bytes.
type fullDisk struct{ room int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return 0, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	require.ErrorIs(t, WriteReport(&fullDisk{1000}, named("metric")), errFull)
	require.ErrorIs(t, WriteHistory(&fullDisk{1000}, namedHistory("metric")), errFull)
}

func TestClock(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0:00", 59.6: "1:00", 61: "1:01", 3600: "1:00:00", 36610: "10:10:10"} {
		require.Equal(t, want, clock(seconds))
	}
}
