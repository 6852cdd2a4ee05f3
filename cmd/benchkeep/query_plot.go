package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
	"golang.org/x/term"

	"github.com/benchkeep/benchkeep/archive/query"
)

const (
	// plotSeries is how many series are drawn at most: as many as there are
	// colours that can be told apart.
	plotSeries = 8
	plotHeight = 16
	// plotWidth is for where there is no terminal to ask.
	plotWidth = 100
)

// plotColours are the colours of the series, plotMarks the characters that stand
// for them where there are no colours.
var (
	plotColours = [plotSeries]asciigraph.AnsiColor{
		asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Yellow,
		asciigraph.Magenta, asciigraph.Cyan, asciigraph.Orange, asciigraph.Gray,
	}
	plotMarks = [plotSeries]string{"1", "2", "3", "4", "5", "6", "7", "8"}
)

// printPlot draws the first series of a range over time, with a legend.
func (a *queryAnswer) printPlot(out *os.File) error {
	width := plotWidth
	if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 0 {
		width = w
	}
	coloured := newTable(out).coloured
	drawn := a.drawable()
	if len(drawn) == 0 {
		return nil
	}
	lines := make([][]float64, len(drawn))
	for i, s := range drawn {
		lines[i] = a.line(s)
	}
	fmt.Fprintf(out, "%s\n\n", a.draw(lines, width, coloured))
	external := a.external()
	for i, s := range drawn {
		mark := plotMarks[i]
		if coloured {
			mark = plotColours[i].String() + "■" + asciigraph.Default.String()
		} else if len(drawn) == 1 {
			mark = "─"
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", mark, oneLine(seriesText(s.Labels, external))); err != nil {
			return err
		}
	}
	return nil
}

// drawable picks what can be drawn: series with a number somewhere, as many as
// there is room for. What it leaves out it writes down.
func (a *queryAnswer) drawable() (drawn []query.Series) {
	more, histograms, without := 0, 0, 0
	for _, s := range a.Series {
		switch {
		case slices.ContainsFunc(s.Points, func(p query.Point) bool { return p.H == nil && finite(p.V) }):
			if len(drawn) < plotSeries {
				drawn = append(drawn, s)
			} else {
				more++
			}
		case slices.ContainsFunc(s.Points, func(p query.Point) bool { return p.H != nil }):
			histograms++
		default:
			without++
		}
	}
	var left []string
	if more > 0 {
		left = append(left, fmt.Sprintf("%d more, of which topk or an aggregation picks some", more))
	}
	if histograms > 0 {
		left = append(left, plural(histograms, "native histogram")+", of which histogram_quantile, histogram_count or histogram_sum is")
	}
	if without > 0 {
		left = append(left, fmt.Sprintf("%d without a finite number", without))
	}
	if left != nil {
		a.undrawn = "not drawn: " + strings.Join(left, "; ")
	}
	return drawn
}

// finite reports whether a number can be drawn: of the very largest, the library
// would take differences that are infinite.
func finite(v float64) bool { return math.Abs(v) <= 1e300 }

// drawn is a number as it is drawn: the very smallest are nothing.
func drawn(v float64) float64 {
	if math.Abs(v) < 1e-300 {
		return 0
	}
	return v
}

// line has a value for each step, NaN for a gap.
func (a *queryAnswer) line(s query.Series) []float64 {
	step := a.asked.step.Milliseconds()
	line := make([]float64, (a.asked.to-a.asked.from)/step+1)
	for i := range line {
		line[i] = math.NaN()
	}
	for _, p := range s.Points {
		if p.H == nil && finite(p.V) {
			line[(p.T-a.asked.from)/step] = drawn(p.V)
		}
	}
	return line
}

// draw draws lines so that axis and all take as many columns.
func (a *queryAnswer) draw(lines [][]float64, width int, coloured bool) string {
	label := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	const axis = 4 // between labels and lines
	columns := max(width-axis-labelWidth(lines, label), 10)
	for i, line := range lines {
		lines[i] = squeezed(line, columns)
	}
	options := []asciigraph.Option{
		asciigraph.Height(plotHeight), asciigraph.Width(columns), asciigraph.YAxisValueFormatter(label),
		asciigraph.XAxisRange(float64(a.asked.from-a.asked.start), float64(a.asked.to-a.asked.start)),
		asciigraph.XAxisValueFormatter(func(ms float64) string {
			return offsetText((time.Duration(ms) * time.Millisecond).Round(max(a.asked.step, time.Second)).Milliseconds())
		}),
	}
	switch {
	case coloured:
		options = append(options, asciigraph.SeriesColors(plotColours[:len(lines)]...))
	case len(lines) > 1:
		marks := make([]asciigraph.CharSet, len(lines))
		for i := range marks {
			marks[i] = asciigraph.CreateCharSet(plotMarks[i])
		}
		options = append(options, asciigraph.SeriesChars(marks...))
	}
	return strings.TrimRight(asciigraph.PlotMany(lines, options...), "\n")
}

// labelWidth is an upper bound of the columns that the labels of the axis take.
func labelWidth(lines [][]float64, label func(float64) string) int {
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, line := range lines {
		for _, v := range line {
			if !math.IsNaN(v) {
				lowest, highest = min(lowest, v), max(highest, v)
			}
		}
	}
	width := 0
	for i := range plotHeight + 1 {
		v := lowest + (highest-lowest)*float64(i)/plotHeight
		width = max(width, utf8.RuneCountInString(label(v)))
	}
	return width
}

// squeezed makes a line no longer than there are columns: each is the mean of
// what falls into it, so that a lone point is not lost.
func squeezed(line []float64, columns int) []float64 {
	if len(line) <= columns {
		return line
	}
	out := make([]float64, columns)
	for i := range out {
		mean, n := 0.0, 0.0
		for _, v := range line[i*len(line)/columns : (i+1)*len(line)/columns] {
			if !math.IsNaN(v) {
				n++
				mean += (v - mean) / n // the sum may be infinite
			}
		}
		if out[i] = mean; n == 0 {
			out[i] = math.NaN()
		}
	}
	return out
}
