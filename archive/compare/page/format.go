package page

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/benchkeep/benchkeep/archive/compare"
)

var funcs = template.FuncMap{
	"clock":   clock,
	"few":     few,
	"ids":     ids,
	"many":    many,
	"percent": percent,
	"share":   share,
	"signs":   func() []sign { return signs },
	"span":    span,
	"utc":     utc,
}

// A sign stands beside a verdict's name and colour.
type sign struct {
	Verdict compare.Verdict `json:"verdict"`
	Sign    string          `json:"sign"`
}

// The verdicts, those that matter most first.
var signs = []sign{
	{compare.Regression, "✗"},
	{compare.Improvement, "✓"},
	{compare.Changed, "≠"},
	{compare.Unchanged, "="},
	{compare.Undecided, "?"},
}

// clock writes seconds since t=0 as m:ss or h:mm:ss.
func clock(seconds float64) string {
	whole := int64(math.Round(seconds))
	if whole < 3600 {
		return fmt.Sprintf("%d:%02d", whole/60, whole%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", whole/3600, whole/60%60, whole%60)
}

// percent writes a relative change.
func percent(change compare.Number) string {
	if !change.Known() {
		return "–"
	}
	return strings.Replace(fmt.Sprintf("%+.1f %%", 100*float64(change)), "-", "−", 1)
}

// share writes a part of a whole.
func share(of float64) string { return fmt.Sprintf("%.3g %%", 100*of) }

// many writes a number of things.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// few writes the first of the words, and how many more there are.
func few(words []string) string {
	const first = 4
	shown := make([]string, 0, first)
	for _, w := range words[:min(first, len(words))] {
		if w == "" {
			w = "–"
		}
		shown = append(shown, w)
	}
	text := strings.Join(shown, ", ")
	if len(words) > first {
		text += fmt.Sprintf(" and %d more", len(words)-first)
	}
	return text
}

func ids(runs []compare.Run) []string {
	var of []string
	for _, r := range runs {
		of = append(of, r.ID)
	}
	return of
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span writes from when to when the runs began; they are sorted by that.
func span(runs []compare.Run) string {
	if len(runs) == 0 {
		return "–"
	}
	first, last := utc(runs[0].Zero), utc(runs[len(runs)-1].Zero)
	if first == last {
		return first
	}
	return first + " – " + last
}
