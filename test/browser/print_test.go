package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPrint has the charts that are out of view printed too, on white.
func TestPrint(t *testing.T) {
	b := open(t, reportPage(t, comparison(1)))
	b.prefer("dark")
	b.until(drawn)
	eval[*bool](b, `dispatchEvent(new Event("beforeprint"))`)
	require.Equal(t, 40, eval[int](b, `document.querySelectorAll("canvas").length`))
	require.Equal(t, "light", eval[string](b, `document.documentElement.dataset.theme`))
	eval[*bool](b, `dispatchEvent(new Event("afterprint"))`)
	require.Equal(t, "undefined", eval[string](b, `typeof document.documentElement.dataset.theme`))
}
