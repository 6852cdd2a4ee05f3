package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func TestHistory(t *testing.T) {
	h := past()
	b := open(t, historyPage(t, h))
	b.until(`document.querySelector("#line-0 canvas")`)
	require.Equal(t, "2 change points", b.text("h1"))
	list := b.texts("#points tbody th")
	require.Len(t, list, 2)
	require.Contains(t, list[0], "main-036")
	require.Contains(t, list[0], "run 36 of 60")
	require.Contains(t, list[1], "main-021", "the latest first")
	is := b.colours("#line-0 .plot")
	require.Greater(t, is.Base, 200, "the values")
	require.Greater(t, is.New, 200, "the levels")
	b.screenshot("history")

	b.hover("#line-0 .u-over", 0.592, 0.5) // of the 60 runs, the 36th
	b.until(`!document.getElementById("tip").hidden`)
	b.screenshot("hover")
	tip := b.tip()
	require.Equal(t, "main-036", tip.Title)
	require.InEpsilon(t, float64(h.Lines[0].Values[35]), quantity(t, tip.Values["p99"]), 0.001)
	require.Equal(t, h.Runs[35].Labels["commit"], tip.Values["commit"])
	require.NotContains(t, tip.Values, "machine", "a label that all have")
	require.Contains(t, tip.Values, "regression")

	b.click("#by-time")
	b.until(`document.getElementById("by-time").getAttribute("aria-pressed") === "true"`)
	require.Greater(t, b.colours("#line-0 .plot").Base, 200)
	b.screenshot("by-time")
	b.click("#changed")
	require.Equal(t, "2 of 3 lines", b.text("#shown"))
	b.typeIn("memory")
	require.Equal(t, "1 of 3 lines", b.text("#shown"))
	b.press(kb.Escape)
	require.Equal(t, "2 of 3 lines", b.text("#shown"))

	b.do("focus chart", chromedp.Focus(chromedp.CSS("#line-1 .plot")))
	b.press(kb.ArrowRight)
	b.until(`document.querySelector("#tip strong")?.textContent === "main-001"`)
	require.InEpsilon(t, float64(h.Lines[1].Values[0]), quantity(t, b.tip().Values["value"]), 0.001)
}
