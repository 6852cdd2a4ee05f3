package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A column is one of the figures of the tables.
type column struct {
	title string
	// of gives the figure; ok is false where there is none.
	of func(result) (v float64, ok bool)
	// format is the verb of the figure.
	format string
}

// columns are those of both tables, and in both in this order.
func columns() []column {
	return []column{
		{"CPU s / 1M samples", func(r result) (float64, bool) { return perMillion(r.firstCPU+r.restCPU, r.sent) }, "%.2f"},
		{"of first scrape", func(r result) (float64, bool) { return perMillion(r.firstCPU, r.first) }, "%.2f"},
		{"of the rest", func(r result) (float64, bool) { return perMillion(r.restCPU, r.sent-r.first) }, "%.2f"},
		{"RSS MiB, load", func(r result) (float64, bool) { return mib(r.loadMemory), true }, "%.0f"},
		{"RSS MiB, end", func(r result) (float64, bool) { return mib(r.memory), true }, "%.0f"},
		{"finish s", func(r result) (float64, bool) { return r.finish.Seconds(), true }, "%.2f"},
		{"finish CPU s", func(r result) (float64, bool) { return r.finishCPU.Seconds(), true }, "%.2f"},
		{"bucket MB", func(r result) (float64, bool) { return float64(r.bytes) / 1e6, r.peer.archives }, "%.2f"},
	}
}

func perMillion(cpu time.Duration, samples int64) (float64, bool) {
	return cpu.Seconds() / float64(samples) * 1e6, samples > 0
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// writeTables writes the figures of one workload, and how many times
// benchkeep's each peer's are. The first result is benchkeep's.
func writeTables(out *strings.Builder, w workload, results []result) {
	fmt.Fprintf(out, "\n### Remote write %s: %s\n\n", w.protocol, w.sizes())
	figures := [][]string{{"peer"}}
	ratios := [][]string{{"peer / benchkeep"}}
	for _, c := range columns() {
		figures[0] = append(figures[0], c.title)
		ratios[0] = append(ratios[0], c.title)
	}
	figures[0] = append(figures[0], "archived of sent", "retries")
	for i, r := range results {
		row := []string{r.peer.title}
		ratio := []string{r.peer.title}
		for _, c := range columns() {
			row = append(row, c.figure(r))
			ratio = append(ratio, c.ratio(r, results[0]))
		}
		figures = append(figures, append(row, r.kept(), strconv.FormatInt(r.retries, 10)))
		if i > 0 {
			ratios = append(ratios, ratio)
		}
	}
	writeMarkdown(out, figures)
	for _, r := range results {
		if r.remark != "" {
			fmt.Fprintf(out, "\n%s: %s\n", r.peer.title, r.remark)
		}
	}
	if len(ratios) > 1 {
		fmt.Fprintln(out)
		writeMarkdown(out, ratios)
	}
}

func (w workload) sizes() string {
	what := "floats"
	if w.histograms {
		what = fmt.Sprintf("native histograms of %d buckets", buckets)
	}
	s := fmt.Sprintf("%s series × %s %s, %d a request, %d senders", thousands(int64(w.series)), thousands(int64(w.samples)), what, perRequest, w.senders)
	if w.replaced() > 0 {
		s += fmt.Sprintf(", %s series replaced at each scrape", thousands(int64(w.replaced())))
	}
	return s
}

func (c column) figure(r result) string {
	v, ok := c.of(r)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(c.format, v)
}

func (c column) ratio(r, to result) string {
	v, ok := c.of(r)
	base, baseOK := c.of(to)
	if !ok || !baseOK || base <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", v/base)
}

// kept is how many of the samples sent were archived.
func (r result) kept() string {
	switch {
	case !r.peer.archives:
		return "–"
	case r.archived == r.sent:
		return "all " + thousands(r.sent)
	default:
		return thousands(r.archived) + " of " + thousands(r.sent)
	}
}

// thousands writes a number with commas between groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeMarkdown writes a table whose first row is its head. All columns but the
// first hold numbers.
func writeMarkdown(out io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := make([]string, len(widths))
	for i, width := range widths {
		line[i] = strings.Repeat("-", width)
		if i > 0 {
			line[i] = strings.Repeat("-", width-1) + ":"
		}
	}
	for _, row := range slices.Insert(rows, 1, line) {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(out, "| %s%s |", cell, pad)
			} else {
				fmt.Fprintf(out, " %s%s |", pad, cell)
			}
		}
		fmt.Fprintln(out)
	}
}
