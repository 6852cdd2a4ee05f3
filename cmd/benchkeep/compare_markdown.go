package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/benchkeep/benchkeep/archive/compare"
)

// What is shown is bounded, so that it fits into a comment: GitHub takes 65,536
// characters.
const (
	markdownTable = 40_000 // bytes
	unjudgedShown = 10
)

func printReportMarkdown(out *os.File, r *compare.Report, all bool) error {
	var b strings.Builder
	shown, hidden := shownRows(r, all)
	fmt.Fprintf(&b, "**%s → %s**: %s\n", code(sideText(r.Base)), code(sideText(r.New)), countsText(r, 0, true))
	if g := r.Gate; g != nil {
		b.WriteString("\n" + gateMarkdown(g) + "\n")
	}
	if len(shown) > 0 {
		b.WriteString("\n| | what | base | new | change | p |\n|---|---|--:|--:|--:|---|\n")
	}
	for i, row := range shown {
		if b.Len() > markdownTable {
			fmt.Fprintf(&b, "\nand %d more.\n", len(shown)-i)
			break
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", mark(row.Verdict), code(row.Title()),
			escapeMarkdown(valueText(row.Base, row.Unit)), escapeMarkdown(valueText(row.New, row.Unit)), rowChange(row), escapeMarkdown(rowP(row)))
	}
	b.WriteString("\n<sub>" + windowText(r.Window) + fmt.Sprintf("; p at most %v, change of at least %s", r.Alpha, percentText(r.MinChange)))
	if hidden > 0 {
		fmt.Fprintf(&b, "; without a change, and left out: %s", plural(hidden, "row"))
	}
	for _, remark := range r.Remarks {
		b.WriteString("<br>" + escapeMarkdown(remark))
	}
	b.WriteString("</sub>\n")
	_, err := out.WriteString(b.String())
	return err
}

func gateMarkdown(g *compare.Gate) string {
	switch {
	case len(g.Broken) > 0:
		return fmt.Sprintf("❌ %s beyond the threshold", plural(len(g.Broken), "change"))
	case len(g.Unjudged) > 0:
		var lines []string
		for _, u := range g.Unjudged[:min(len(g.Unjudged), unjudgedShown)] {
			lines = append(lines, code(u.Threshold)+": "+escapeMarkdown(u.Why))
		}
		if more := len(g.Unjudged) - unjudgedShown; more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more", more))
		}
		return "⚠️ not everything could be judged: " + strings.Join(lines, "; ")
	default:
		return "✅ within the thresholds"
	}
}

func printHistoryMarkdown(out *os.File, h *compare.History) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**: %s, %s to %s\n", code(h.Asked), plural(len(h.Runs), "run"), code(h.Runs[0].ID), code(h.Runs[len(h.Runs)-1].ID))
	b.WriteString("\n| | what | since | before | after | change | p |\n|---|---|---|--:|--:|--:|---|\n")
	for _, line := range h.Lines {
		for _, p := range line.ChangePoints {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.3f |\n", mark(p.Verdict), code(line.Title()), code(p.Run),
				escapeMarkdown(quantityText(p.Before.Center, line.Unit)), escapeMarkdown(quantityText(p.After.Center, line.Unit)), changeText(p.Change), p.P)
		}
		if len(line.ChangePoints) == 0 {
			last := compare.Number(0)
			for _, v := range line.Values {
				if v.Known() {
					last = v
				}
			}
			fmt.Fprintf(&b, "| | %s | | | %s | no change %s | |\n", code(line.Title()), escapeMarkdown(quantityText(last, line.Unit)), escapeMarkdown(line.Why))
		}
	}
	for _, s := range h.Skipped {
		fmt.Fprintf(&b, "| not followed | %s | | | | %s | |\n", code(s.Name), escapeMarkdown(s.Why))
	}
	for _, remark := range h.Remarks {
		b.WriteString("\n" + escapeMarkdown(remark) + "\n")
	}
	_, err := out.WriteString(b.String())
	return err
}

// mark shows a verdict in words and at a glance.
func mark(v compare.Verdict) string {
	switch v {
	case compare.Regression:
		return "🔴 regression"
	case compare.Improvement:
		return "🟢 improvement"
	case compare.Changed:
		return "🟡 changed"
	default:
		return string(v)
	}
}

// code makes a code span of what others wrote, also in a cell of a table.
func code(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(oneLine(s), "|", `\|`), "`", "'")
	return "`" + s + "`"
}

var markdownSpecial = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "@", "@\u200b")

func escapeMarkdown(s string) string { return markdownSpecial.Replace(oneLine(s)) }
