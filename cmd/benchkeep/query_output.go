package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/query"
)

const formatPlot = "plot"

// queryAnswer is an answer, and what it takes to show it.
type queryAnswer struct {
	*query.Result

	run   *archive.Run
	asked span
	// undrawn says what of the answer a plot does not show.
	undrawn string
}

func (a *queryAnswer) print(out *os.File, format string) error {
	switch format {
	case formatJSON:
		return printQueryJSON(out, a.Result, a.asked.from)
	case formatCSV:
		return a.printCSV(out)
	case formatPlot:
		return a.printPlot(out)
	default:
		return a.printTable(out)
	}
}

// remark tells what else is to be said of the answer.
func (a *queryAnswer) remark(now time.Time) {
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "benchkeep: %s\n", oneLine(fmt.Sprintf(format, args...)))
	}
	if a.run.State(now) == archive.StateRunning {
		end := time.UnixMilli(lastSample(a.run))
		say("run %s goes on: the answer is about what is in the bucket so far, up to %s", a.run.ID, timeText(&end))
	}
	for _, w := range a.Warnings {
		say("warning: %s", w)
	}
	for _, i := range a.Infos {
		say("info: %s", i)
	}
	if len(a.Series) == 0 && a.Type != parser.ValueTypeString {
		say("the answer is empty: run %s has nothing of the kind at that time", a.run.ID)
	}
	if a.undrawn != "" {
		say("%s", a.undrawn)
	}
	if a.asked.chosen {
		say("the step is %s; --step takes another", model.Duration(a.asked.step))
	}
}

// external are the labels that all blocks of the run have in common.
func (a *queryAnswer) external() map[string]string {
	var shared map[string]string
	for i, b := range a.run.Current() {
		if i == 0 {
			shared = maps.Clone(b.Labels)
			continue
		}
		maps.DeleteFunc(shared, func(name, value string) bool { return b.Labels[name] != value })
	}
	return shared
}

// printTable prints what people read. The external labels that all series of
// the run have stand above, once.
func (a *queryAnswer) printTable(out *os.File) error {
	external := a.external()
	t := newTable(out)
	t.row(colourNone, 0, "run", a.run.ID)
	if shown := withoutRun(external); len(shown) > 0 {
		t.row(colourNone, 0, "labels", labelsText(shown))
	}
	if a.asked.step == 0 {
		t.row(colourNone, 0, "at", a.timeText(a.asked.from))
	} else {
		t.row(colourNone, 0, "from", a.timeText(a.asked.from))
		t.row(colourNone, 0, "to", a.timeText(a.asked.to))
		t.row(colourNone, 0, "step", model.Duration(a.asked.step).String())
	}
	if err := t.flush(); err != nil {
		return err
	}
	switch a.Type {
	case parser.ValueTypeMatrix:
		return a.printPoints(out, external)
	case parser.ValueTypeString:
		_, err := fmt.Fprintf(out, "\n%s\n", oneLine(a.Text))
		return err
	case parser.ValueTypeScalar:
		_, err := fmt.Fprintf(out, "\n%s\n", pointText(a.Series[0].Points[0]))
		return err
	default:
		return a.printValues(out, external)
	}
}

func (a *queryAnswer) printValues(out *os.File, external map[string]string) error {
	if len(a.Series) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := newTable(out)
	t.row(colourNone, 0, "SERIES", "VALUE")
	for _, s := range a.Series {
		t.row(colourNone, 0, seriesText(s.Labels, external), pointText(s.Points[0]))
	}
	return t.flush()
}

// printPoints prints a paragraph for each series.
func (a *queryAnswer) printPoints(out *os.File, external map[string]string) error {
	for _, s := range a.Series {
		section(out, oneLine(seriesText(s.Labels, external)))
		t := newTable(out)
		for _, p := range s.Points {
			t.row(colourNone, 0, a.offsetText(p.T), pointText(p))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// timeText is a time relative to the run's start, and as it is.
func (a *queryAnswer) timeText(ms int64) string {
	return a.offsetText(ms) + "  " + time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// offsetText is how long after the run's start a time is.
func (a *queryAnswer) offsetText(ms int64) string { return offsetText(ms - a.asked.start) }

// offsetText writes ms as flags take them.
func offsetText(ms int64) string {
	if ms < 0 {
		return "-" + offsetText(-ms)
	}
	return model.Duration(time.Duration(ms) * time.Millisecond).String()
}

// seriesText writes labels as a selector does. External labels that are the same
// everywhere are left out of a series that has all of them; one that has only
// some was made so by the query.
func seriesText(ls labels.Labels, external map[string]string) string {
	name := ""
	var pairs []string
	for label, value := range external {
		if ls.Get(label) != value {
			external = nil
			break
		}
	}
	ls.Range(func(l labels.Label) {
		switch {
		case l.Name == model.MetricNameLabel && model.LegacyValidation.IsValidMetricName(l.Value):
			name = l.Value
		case l.Name == model.MetricNameLabel:
			pairs = append([]string{strconv.Quote(l.Value)}, pairs...)
		case external[l.Name] == l.Value && l.Value != "":
		case model.LegacyValidation.IsValidLabelName(l.Name):
			pairs = append(pairs, l.Name+"="+strconv.Quote(l.Value))
		default:
			pairs = append(pairs, strconv.Quote(l.Name)+"="+strconv.Quote(l.Value))
		}
	})
	if name != "" && len(pairs) == 0 {
		return name
	}
	return name + "{" + strings.Join(pairs, ", ") + "}"
}

// pointText is a value as people read it. Of a native histogram that is its
// count, its sum, the mean, and how many buckets are not empty.
func pointText(p query.Point) string {
	if p.H == nil {
		return numberText(p.V)
	}
	return fmt.Sprintf("count=%s sum=%s mean=%s buckets=%d",
		numberText(p.H.Count), numberText(p.H.Sum), numberText(p.H.Sum/p.H.Count), len(p.H.Buckets))
}

// numberText writes a value to 12 digits, so that 2.9999999999999996 is a 3.
func numberText(v float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return apiNumber(v)
	}
	return apiNumber(rounded)
}

// printCSV prints a row for each sample: its time, seconds since the run's
// start, the labels, and the value; for a native histogram, count and sum.
func (a *queryAnswer) printCSV(out io.Writer) error {
	var names []string
	histograms := false
	for _, s := range a.Series {
		s.Labels.Range(func(l labels.Label) { names = append(names, l.Name) })
		histograms = histograms || slices.ContainsFunc(s.Points, func(p query.Point) bool { return p.H != nil })
	}
	slices.Sort(names)
	names = slices.Compact(names)
	head := append([]string{"time", "seconds"}, names...)
	if head = append(head, "value"); histograms {
		head = append(head, "count", "sum")
	}
	w := csv.NewWriter(out)
	w.Write(head) //nolint:errcheck // Error tells
	for _, s := range a.Series {
		for _, p := range s.Points {
			w.Write(a.csvRow(s, p, names, histograms)) //nolint:errcheck // as above
		}
	}
	if a.Type == parser.ValueTypeString {
		w.Write([]string{a.csvTime(a.asked.from), a.csvSeconds(a.asked.from), a.Text}) //nolint:errcheck // as above
	}
	w.Flush()
	return w.Error()
}

func (a *queryAnswer) csvRow(s query.Series, p query.Point, names []string, histograms bool) []string {
	row := []string{a.csvTime(p.T), a.csvSeconds(p.T)}
	for _, name := range names {
		row = append(row, s.Labels.Get(name))
	}
	switch {
	case p.H != nil:
		return append(row, "", apiNumber(p.H.Count), apiNumber(p.H.Sum))
	case histograms:
		return append(row, apiNumber(p.V), "", "")
	default:
		return append(row, apiNumber(p.V))
	}
}

func (a *queryAnswer) csvTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func (a *queryAnswer) csvSeconds(ms int64) string {
	return strconv.FormatFloat(float64(ms-a.asked.start)/1000, 'f', -1, 64)
}
