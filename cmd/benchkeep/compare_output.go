package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/perf/benchunit"

	"github.com/benchkeep/benchkeep/archive/compare"
)

// Formats of compare alone.
const (
	formatMarkdown = "markdown"
	formatHTML     = "html"
)

func printReportTable(out *os.File, r *compare.Report, all bool) error {
	t := newTable(out)
	t.row(colourNone, 0, "base", sideText(r.Base))
	t.row(colourNone, 0, "new", sideText(r.New))
	t.row(colourNone, 0, "window", windowText(r.Window)+fmt.Sprintf("; p at most %v, change of at least %s", r.Alpha, percentText(r.MinChange)))
	if err := t.flush(); err != nil {
		return err
	}
	shown, hidden := shownRows(r, all)
	if len(shown) > 0 {
		fmt.Fprintln(out)
		t = newTable(out)
		t.row(colourNone, 0, "VERDICT", "NAME", "BASE", "NEW", "CHANGE", "P")
		for _, row := range shown {
			t.row(changeColour(row.Verdict), 0, string(row.Verdict), row.Title(), valueText(row.Base, row.Unit), valueText(row.New, row.Unit), rowChange(row), rowP(row))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%s\n", countsText(r, hidden, all))
	for _, remark := range r.Remarks {
		fmt.Fprintln(out, "note: "+oneLine(remark))
	}
	if !all || len(r.Skipped) == 0 {
		return nil
	}
	section(out, "not compared")
	return printSkipped(out, r.Skipped)
}

func printSkipped(out *os.File, skipped []compare.Skipped) error {
	t := newTable(out)
	for _, s := range skipped {
		t.row(colourNone, 0, s.Name, s.Why)
	}
	return t.flush()
}

// shownRows are the rows that moved, or that look like it, or that broke the
// gate; or all. Hidden is how many are not shown.
func shownRows(r *compare.Report, all bool) (shown []*compare.Row, hidden int) {
	broken := map[string]bool{}
	if r.Gate != nil {
		for _, b := range r.Gate.Broken {
			broken[b.Name] = true
		}
	}
	for _, row := range r.Rows {
		moved := row.Verdict != compare.Unchanged && row.Verdict != compare.Undecided
		looks := row.Verdict == compare.Undecided && !(math.Abs(float64(row.Change)) < r.MinChange)
		if all || moved || looks || broken[row.Title()] {
			shown = append(shown, row)
		} else {
			hidden++
		}
	}
	return shown, hidden
}

// countsText sums up.
func countsText(r *compare.Report, hidden int, all bool) string {
	counts := map[compare.Verdict]int{}
	for _, row := range r.Rows {
		counts[row.Verdict]++
	}
	var parts []string
	for _, c := range []struct {
		verdict compare.Verdict
		text    string
	}{
		{compare.Regression, plural(counts[compare.Regression], "regression")},
		{compare.Improvement, plural(counts[compare.Improvement], "improvement")},
		{compare.Changed, fmt.Sprintf("%d changed", counts[compare.Changed])},
		{compare.Unchanged, fmt.Sprintf("%d unchanged", counts[compare.Unchanged])},
		{compare.Undecided, fmt.Sprintf("%d undecided for too few values", counts[compare.Undecided])},
	} {
		if counts[c.verdict] > 0 {
			parts = append(parts, c.text)
		}
	}
	if n := len(r.Skipped); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not compared", n))
	}
	text := strings.Join(parts, ", ")
	if !all && hidden+len(r.Skipped) > 0 {
		text += "; --all lists them"
	}
	return text
}

func sideText(s compare.Side) string {
	if len(s.Runs) == 1 {
		return s.Runs[0].ID
	}
	return fmt.Sprintf("%s: %d runs, %s to %s", s.Asked, len(s.Runs), s.Runs[0].ID, s.Runs[len(s.Runs)-1].ID)
}

func windowText(w compare.Window) string {
	return fmt.Sprintf("%s to %s, every %s", secondsText(w.From), secondsText(w.To), secondsText(w.Step))
}

func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// valueText is a value and, where it is known, how far its interval goes.
func valueText(s compare.Summary, unit string) string {
	text := quantityText(s.Center, unit)
	if s.Low.Known() && s.High.Known() && s.Center != 0 {
		off := math.Max(math.Abs(float64(s.High-s.Center)), math.Abs(float64(s.Center-s.Low))) / math.Abs(float64(s.Center))
		text += fmt.Sprintf(" ±%.0f%%", 100*off)
	}
	return text
}

// quantityText writes a number with its unit, to three digits and more.
func quantityText(n compare.Number, unit string) string {
	if !n.Known() {
		return "-"
	}
	base, per, found := strings.Cut(unit, "/")
	if unit == "" && math.Abs(float64(n)) < 1 { // 26m would be read as minutes, or million
		return fmt.Sprintf("%.4g", float64(n))
	}
	class, suffix := benchunit.Decimal, ""
	switch base {
	case "seconds":
		suffix = "s"
	case "bytes":
		class, suffix = benchunit.Binary, "B"
	case "ratio", "":
	default:
		suffix = " " + base
	}
	if found {
		suffix += "/" + per
	}
	return benchunit.Scale(float64(n), class) + suffix
}

func rowChange(r *compare.Row) string {
	text := changeText(r.Change)
	if r.Verdict != compare.Undecided && r.ChangeLow.Known() && r.ChangeHigh.Known() {
		text += fmt.Sprintf(" (%s to %s)", changeText(r.ChangeLow), changeText(r.ChangeHigh))
	}
	return text
}

// changeText is a relative change; from zero, there is none.
func changeText(n compare.Number) string {
	if !n.Known() {
		return "from 0"
	}
	return fmt.Sprintf("%+.1f%%", 100*float64(n))
}

func percentText(part float64) string { return fmt.Sprintf("%.4g%%", 100*part) }

// rowP is the probability that the verdict goes by, and how many values there
// are; or why there is none.
func rowP(r *compare.Row) string {
	if r.Verdict == compare.Undecided {
		return r.Why
	}
	text := fmt.Sprintf("%s n=%d", chanceText(float64(r.AdjustedP)), r.Base.N)
	if r.New.N != r.Base.N {
		text += fmt.Sprintf("+%d", r.New.N)
	}
	if r.Basis == compare.WithinRuns {
		text += " batches"
	}
	return text
}

// chanceText writes a probability. That of a difference is never nothing.
func chanceText(p float64) string {
	if p < 0.0005 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

func changeColour(v compare.Verdict) colour {
	switch v {
	case compare.Regression:
		return colourRed
	case compare.Improvement:
		return colourGreen
	case compare.Changed:
		return colourYellow
	default:
		return colourNone
	}
}

func printHistoryTable(out *os.File, h *compare.History) error {
	fmt.Fprintf(out, "%s: %d runs, %s to %s; %s\n", oneLine(h.Asked), len(h.Runs), h.Runs[0].ID, h.Runs[len(h.Runs)-1].ID, windowText(h.Window))
	for _, line := range h.Lines {
		section(out, oneLine(line.Title()))
		t := newTable(out)
		t.row(colourNone, 3, "RUN", "STARTED", "VALUE", "CHANGE")
		for i, run := range h.Runs {
			verdict, change := changeAt(line, i)
			t.row(changeColour(verdict), 3, run.ID, timeText(&run.Zero), quantityText(line.Values[i], line.Unit), change)
		}
		if err := t.flush(); err != nil {
			return err
		}
		if line.Why != "" {
			fmt.Fprintln(out, "note: "+line.Why)
		}
	}
	for _, remark := range h.Remarks {
		fmt.Fprintln(out, "note: "+oneLine(remark))
	}
	if len(h.Skipped) == 0 {
		return nil
	}
	section(out, "not followed")
	return printSkipped(out, h.Skipped)
}

// changeAt is what is to be said of a line at a run.
func changeAt(line *compare.Line, i int) (compare.Verdict, string) {
	for _, p := range line.ChangePoints {
		if p.Index == i {
			return p.Verdict, fmt.Sprintf("%s %s, from %s to %s, p=%.3f", p.Verdict, changeText(p.Change),
				quantityText(p.Before.Center, line.Unit), quantityText(p.After.Center, line.Unit), p.P)
		}
	}
	return "", ""
}
