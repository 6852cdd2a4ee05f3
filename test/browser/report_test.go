package browser

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
)

const drawn = `document.querySelector("#row-0 .plot canvas")`

func TestChartsAreDrawn(t *testing.T) {
	for _, runs := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d runs against as many", runs), func(t *testing.T) {
			b := open(t, reportPage(t, comparison(runs)))
			b.until(drawn)
			require.Equal(t, "3 regressions, 2 improvements, 2 other changes", b.text("h1"))
			for _, row := range []string{"#row-0", "#row-1"} {
				is := b.colours(row + " .plot")
				require.Greater(t, is.Base, 200, "pixels of the base in %s", row)
				require.Greater(t, is.New, 200, "pixels of the new runs in %s", row)
			}
			b.screenshot("report")

			far := `document.querySelector("#row-39 canvas")`
			require.Nil(t, eval[*bool](b, `%s && true`, far), "a chart far from view is not drawn")
			b.do("scroll", chromedp.ScrollIntoView(chromedp.CSS("#row-39 .plot")))
			b.until(far)
			b.until(`!` + drawn)
			require.Greater(t, b.colours("#row-39 .plot").Base, 200)
		})
	}
}

// TestHover compares what the pointer reads out with what the report has.
func TestHover(t *testing.T) {
	for _, runs := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d runs against as many", runs), func(t *testing.T) {
			r := comparison(runs)
			b := open(t, reportPage(t, r))
			for row, at := range map[int]float64{0: 0.25, 1: 0.5, 5: 0.9} {
				over := fmt.Sprintf("#row-%d .u-over", row)
				b.do("scroll", chromedp.ScrollIntoView(chromedp.CSS(fmt.Sprintf("#row-%d .plot", row))))
				b.until(fmt.Sprintf(`document.querySelector(%q)`, over))
				b.hover(over, at, 0.5)
				b.until(fmt.Sprintf(`!document.getElementById("tip").hidden && document.querySelector("#row-%d .legend .time").textContent`, row))
				tip := b.tip()
				i := int((tip.seconds(t) - r.Window.From) / r.Window.Step)
				require.InDelta(t, at*(points-1), i, 1, "the time under the pointer")
				require.InEpsilon(t, medianAt(r.Rows[row].Curves[:runs], i), quantity(t, tip.Values["base"]), 0.001)
				require.InEpsilon(t, medianAt(r.Rows[row].Curves[runs:], i), quantity(t, tip.Values["new"]), 0.001)

				// The other charts show the same time.
				next := fmt.Sprintf("#row-%d .legend", row+1)
				require.Equal(t, tip.Title, b.text(next+" .time")+" after the start")
				require.InEpsilon(t, medianAt(r.Rows[row+1].Curves[:runs], i), quantity(t, b.text(next+" .value")), 0.001)
			}
			b.screenshot("hover")
			b.do("leave", chromedp.MouseEvent("mouseMoved", 5, 5))
			b.until(`document.getElementById("tip").hidden`)
		})
	}
}

func TestSearchAndFilter(t *testing.T) {
	b := open(t, reportPage(t, comparison(1)))
	b.until(drawn)
	names := func() []string { return b.texts("#rows .open") }
	require.Len(t, names(), 40)

	b.slash() // goes to the search
	b.press("GC_pause labels")
	b.until(`document.getElementById("shown").textContent === "1 of 40 rows"`)
	require.Equal(t, []string{"go_gc_pause_seconds_total"}, names(), "all words, whatever their case, in name or labels")
	b.typeIn(`handler="/metrics"}`)
	require.Len(t, names(), 8, "in the query")
	b.typeIn("nothing like it")
	require.Equal(t, "No row is like that.", b.text("#nothing"))
	b.press(kb.Escape)
	require.Len(t, names(), 40)

	b.click(`.filter[data-verdict="regression"]`)
	require.Len(t, names(), 3)
	b.click(`.filter[data-verdict="improvement"]`)
	require.Len(t, names(), 5)
	require.Equal(t, "5 of 40 rows", b.text("#shown"))
	b.typeIn("p90")
	require.Equal(t, []string{"http_request_duration_seconds"}, names(), "both at once")
	b.press(kb.Escape)
	b.click(`.filter[data-verdict="regression"]`)
	b.click(`.filter[data-verdict="improvement"]`)
	require.Len(t, names(), 40)
}

func TestSort(t *testing.T) {
	b := open(t, reportPage(t, comparison(1)))
	b.until(drawn)
	ids := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll("#rows tbody")].map((e) => e.id)`)
	}
	asReported := ids()
	changes := func() (of []float64) {
		for _, text := range b.texts("#rows .moved") {
			of = append(of, quantity(t, text))
		}
		return of
	}
	b.click(`[data-sort="change"]`)
	require.IsNonIncreasing(t, changes())
	require.Equal(t, "descending", eval[string](b, `document.querySelector("th[aria-sort]").getAttribute("aria-sort")`))
	b.click(`[data-sort="change"]`)
	require.IsNonDecreasing(t, changes())
	b.click(`[data-sort="change"]`)
	require.Equal(t, asReported, ids())

	b.click(`[data-sort="name"]`)
	require.IsNonDecreasing(t, b.texts("#rows .open"))
	b.click(`[data-sort="p"]`)
	ps := b.texts("#rows .p > span")
	require.Equal(t, []string{"<0.001", "–"}, []string{ps[0], ps[39]}, "rows without one come last")
	require.Equal(t, "? undecided\ntoo few values", b.texts("#rows .verdict")[39], "and it is said why")
	b.click(`[data-sort="p"]`)
	ps = b.texts("#rows .p > span")
	require.Equal(t, []string{"0.830", "–"}, []string{ps[0], ps[39]})
}

func TestOpenedRow(t *testing.T) {
	r := comparison(10)
	b := open(t, reportPage(t, r))
	b.until(drawn)
	b.click("#row-0 .open")
	b.until(`document.querySelector("#row-0 .large canvas")`)
	require.Equal(t, r.Rows[0].Query, b.text("#row-0 .detail pre"))
	facts := b.text("#row-0 .facts")
	for _, want := range []string{"<0.001", "Mann-Whitney U", "one of each run", "lower"} {
		require.Contains(t, facts, want)
	}
	b.click("#row-0 .copy")
	b.until(`/Copied|Selected/.test(document.querySelector("#row-0 .copy").textContent)`)
	require.Equal(t, r.Rows[0].Query, eval[string](b, `getSelection().toString()`))

	// A run is named when the pointer is next to its curve.
	b.hover("#row-0 .large .u-over", 0.3, 0.5)
	b.until(`!document.getElementById("tip").hidden`)
	b.screenshot("opened")
	named := regexp.MustCompile(`(main|pr-1187)-\d\d`).FindString(b.text("#tip"))
	tip := b.tip()
	i := int((tip.seconds(t) - r.Window.From) / r.Window.Step)
	for _, c := range r.Rows[0].Curves {
		if c.Run == named {
			require.InEpsilon(t, float64(c.Values[i]), quantity(t, tip.Values[named]), 0.001)
		}
	}
	require.NotEmpty(t, named)

	b.click("#row-0 .open")
	b.until(`!document.querySelector("#row-0 .detail").checkVisibility()`)
}

func TestKeyboard(t *testing.T) {
	b := open(t, reportPage(t, comparison(1)))
	b.until(drawn)
	focused := func() string {
		return eval[string](b, `document.activeElement.closest("tbody")?.id ?? document.activeElement.id`)
	}
	b.slash()
	require.Equal(t, "search", focused())
	b.press(kb.ArrowDown)
	require.Equal(t, "row-0", focused())
	b.press(kb.ArrowDown)
	require.Equal(t, "row-1", focused())
	b.press(kb.ArrowUp)
	b.press(kb.Enter)
	b.until(`document.querySelector("#row-0 .large canvas")`)
	require.Equal(t, "true", eval[string](b, `document.activeElement.getAttribute("aria-expanded")`))
	b.press(kb.Tab)
	require.True(t, eval[bool](b, `document.activeElement.matches("#row-0 .large")`), "the chart comes next")
	b.press(kb.ArrowRight)
	b.press(kb.ArrowRight)
	b.until(`!document.getElementById("tip").hidden`)
	require.Equal(t, "0:35 after the start", b.tip().Title, "the second value")
	b.press(kb.Tab)
	b.until(`document.getElementById("tip").hidden`)
}

func TestTheme(t *testing.T) {
	b := open(t, reportPage(t, comparison(1)))
	b.until(drawn)
	page := func() string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	light := page()
	b.click("#theme")
	b.until(`document.getElementById("theme").textContent === "Light"`)
	require.NotEqual(t, light, page())
	require.Greater(t, b.colours("#row-0 .plot").New, 200, "the charts have the colours of the theme")
	b.screenshot("dark")
	b.click("#theme")
	require.Equal(t, light, page())

	other := open(t, reportPage(t, comparison(1)))
	other.prefer("dark")
	other.until(`document.getElementById("theme").textContent === "Light"`)
	other.until(drawn)
	require.Greater(t, other.colours("#row-0 .plot").New, 200, "the charts follow the system's theme")
}

func TestNarrow(t *testing.T) {
	for name, html := range map[string][]byte{"report": reportPage(t, comparison(10)), "history": historyPage(t, past())} {
		t.Run(name, func(t *testing.T) {
			b := open(t, html)
			b.until(`document.querySelector(".plot canvas")`)
			b.viewport(800, height)
			b.until(`document.querySelector(".plot .uplot").clientWidth <= 800`)
			require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 800)
			b.screenshot(name)
			if name == "report" {
				b.click("#row-0 .open")
				b.until(`document.querySelector("#row-0 .large canvas")`)
				require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 800)
				b.screenshot("opened")
			}
		})
	}
}

// TestNamesRunNothing opens a page in which names are written as if they were
// more than that.
func TestNamesRunNothing(t *testing.T) {
	const hostile = `</script><img src=x onerror="window.hit=1"><script>window.hit=1</script>`
	r := comparison(1)
	row := r.Rows[0]
	row.Name, row.Statistic, row.Query, row.Unit = hostile, hostile, hostile, hostile
	row.Labels, row.Why = map[string]string{hostile: hostile}, hostile
	row.Curves[0].Run, r.Base.Runs[0].ID, r.Base.Asked = hostile, hostile, hostile
	r.Base.Runs[0].Labels[hostile] = hostile
	r.Remarks, r.Skipped = []string{hostile}, []compare.Skipped{{Name: hostile, Why: hostile}}
	b := open(t, reportPage(t, r))
	b.until(drawn)
	b.click("#row-0 .open")
	b.until(`document.querySelector("#row-0 .large canvas")`)
	b.hover("#row-0 .large .u-over", 0.3, 0.5)
	b.until(`!document.getElementById("tip").hidden`)
	require.Equal(t, hostile, b.text("#row-0 .open"))
	require.Equal(t, hostile, b.text("#row-0 .detail pre"))
	require.Equal(t, "undefined", eval[string](b, `typeof window.hit`))
	require.Zero(t, eval[int](b, `document.images.length`))

	h := past()
	h.Asked, h.Runs[3].ID, h.Lines[0].Name, h.Lines[0].Query = hostile, hostile, hostile, hostile
	h.Runs[3].Labels["commit"] = hostile
	b = open(t, historyPage(t, h))
	b.until(`document.querySelector("#line-0 canvas")`)
	b.hover("#line-0 .u-over", 0.06, 0.5)
	b.until(`!document.getElementById("tip").hidden`)
	require.Contains(t, b.text("#tip"), hostile)
	require.Equal(t, "undefined", eval[string](b, `typeof window.hit`))
	require.Zero(t, eval[int](b, `document.images.length`))
}

func TestManyRows(t *testing.T) {
	r := comparison(10)
	for len(r.Rows) < 520 {
		r.Rows = append(r.Rows, r.Rows[len(r.Rows)%40])
	}
	b := open(t, reportPage(t, r))
	b.until(drawn)
	require.Less(t, eval[int](b, `document.querySelectorAll("canvas").length`), 30, "only what is near the view is drawn")
	require.Contains(t, b.text("main"), "The first 500 of the 520 rows have a chart")
	require.Equal(t, "no chart", b.text("#row-510 .chart"))
}

func TestEmpty(t *testing.T) {
	b := open(t, reportPage(t, &compare.Report{}))
	b.until(`document.getElementById("shown").textContent === "0 rows"`)
	require.Equal(t, "Nothing was compared", b.text("h1"))
	b = open(t, historyPage(t, &compare.History{}))
	b.until(`document.getElementById("shown").textContent === "0 lines"`)
}

// A tip is what is shown beside the pointer.
type tip struct {
	Title  string
	Values map[string]string
}

func (b *tab) tip() tip {
	b.t.Helper()
	return eval[tip](b, `({
		Title: document.querySelector("#tip strong").textContent,
		Values: Object.fromEntries([...document.querySelectorAll("#tip dl div")].map((e) => [e.children[0].innerText.trim(), e.children[1].innerText])),
	})`)
}

// seconds is the time of its title.
func (p tip) seconds(t *testing.T) float64 {
	t.Helper()
	minutes, seconds, found := strings.Cut(strings.TrimSuffix(p.Title, " after the start"), ":")
	require.True(t, found, p.Title)
	return 60*quantity(t, minutes) + quantity(t, seconds)
}

// quantity is the number that a text shows, in the base unit.
func quantity(t *testing.T, text string) float64 {
	t.Helper()
	number, unit, _ := strings.Cut(strings.NewReplacer("−", "-", "\u00a0", " ", "/s", "").Replace(text), " ")
	v, err := strconv.ParseFloat(number, 64)
	require.NoError(t, err, text)
	worth := map[string]float64{"": 1, "s": 1, "ms": 1e-3, "µs": 1e-6, "k": 1e3, "MiB": 1 << 20, "%": 0.01}[unit]
	require.NotZero(t, worth, text)
	return v * worth
}

func medianAt(of []compare.Curve, i int) float64 {
	var values []float64
	for _, c := range of {
		values = append(values, float64(c.Values[i]))
	}
	return median(values)
}
