package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
	"gopkg.in/yaml.v2"

	"github.com/benchkeep/benchkeep/archive"
)

// Formats of -o.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatCSV   = "csv"
)

// runRow is a run as lists show it, and what programs read of it.
type runRow struct {
	Run      string            `json:"run"`
	State    archive.State     `json:"state"`
	Complete bool              `json:"complete"`
	Labels   map[string]string `json:"labels"`
	Notes    []runNote         `json:"notes"`
	Started  time.Time         `json:"started"`
	Finished *time.Time        `json:"finished"` // null: not yet, or never
	Seconds  float64           `json:"durationSeconds"`
	MinTime  int64             `json:"minTime"` // Unix ms
	MaxTime  int64             `json:"maxTime"` // Unix ms
	Series   int64             `json:"series"`
	Samples  int64             `json:"samples"`
	Bytes    int64             `json:"bytes"`
	Parts    int               `json:"parts"`
	Blocks   int               `json:"blocks"`
	Missing  int               `json:"missingBlocks"`
}

type runNote struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func newRunRow(r *archive.Run, now time.Time) runRow {
	row := runRow{
		Run: r.ID, State: r.State(now), Complete: r.Complete(), Labels: r.Labels(), Notes: []runNote{},
		Started: r.Started(), Finished: r.Finished(), Seconds: r.Duration(now).Seconds(),
		Series: r.Series(), Samples: r.Samples(), Bytes: r.Bytes(),
		Parts: len(r.Parts), Blocks: len(r.Current()), Missing: r.Missing(),
	}
	row.MinTime, row.MaxTime = r.TimeRange()
	for _, e := range r.Edits {
		if e.Note != "" {
			row.Notes = append(row.Notes, runNote{e.At, e.Note})
		}
	}
	return row
}

// printRuns prints a list of runs.
func printRuns(out *os.File, format string, runs []*archive.Run, now time.Time) error {
	rows := make([]runRow, len(runs))
	for i, r := range runs {
		rows[i] = newRunRow(r, now)
	}
	switch format {
	case formatJSON:
		return printJSON(out, rows)
	case formatYAML:
		return printYAML(out, rows)
	case formatCSV:
		return printRunsCSV(out, rows)
	default:
		return printRunsTable(out, rows, format == formatWide)
	}
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printYAML prints what JSON would have, under the same names.
func printYAML(out io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var tree any
	if bytes.HasPrefix(data, []byte("[")) {
		tree = &[]yaml.MapSlice{}
	} else {
		tree = &yaml.MapSlice{} // keeps the order
	}
	if err := yaml.Unmarshal(data, tree); err != nil {
		return err
	}
	if data, err = yaml.Marshal(tree); err == nil {
		_, err = out.Write(data)
	}
	return err
}

func printRunsCSV(out io.Writer, rows []runRow) error {
	w := csv.NewWriter(out)
	w.Write([]string{"run", "state", "complete", "started", "finished", "durationSeconds", "series", "samples", "bytes", "parts", "blocks", "missingBlocks", "labels", "note"}) //nolint:errcheck // Error tells
	for _, r := range rows {
		finished := ""
		if r.Finished != nil {
			finished = r.Finished.Format(time.RFC3339)
		}
		w.Write([]string{ //nolint:errcheck // as above
			r.Run, string(r.State), strconv.FormatBool(r.Complete), r.Started.Format(time.RFC3339), finished,
			strconv.FormatFloat(r.Seconds, 'f', -1, 64), strconv.FormatInt(r.Series, 10), strconv.FormatInt(r.Samples, 10),
			strconv.FormatInt(r.Bytes, 10), strconv.Itoa(r.Parts), strconv.Itoa(r.Blocks), strconv.Itoa(r.Missing),
			labelsText(r.Labels), lastNote(r.Notes),
		})
	}
	w.Flush()
	return w.Error()
}

func printRunsTable(out *os.File, rows []runRow, wide bool) error {
	t := newTable(out)
	head := []string{"RUN", "STATE", "STARTED", "DURATION", "SERIES", "SAMPLES", "SIZE", "LABELS"}
	if wide {
		head = append(head[:7:7], "FINISHED", "COMPLETE", "PARTS", "BLOCKS", "LABELS", "NOTE")
	}
	t.row(colourNone, 1, head...)
	for _, r := range rows {
		cells := []string{
			r.Run, string(r.State), timeText(&r.Started), durationText(r.Seconds),
			countText(r.Series), countText(r.Samples), bytesText(r.Bytes),
		}
		if wide {
			blocks := strconv.Itoa(r.Blocks)
			if r.Missing > 0 {
				blocks += fmt.Sprintf(" (%d missing)", r.Missing)
			}
			cells = append(cells, timeText(r.Finished), strconv.FormatBool(r.Complete), strconv.Itoa(r.Parts), blocks)
		}
		cells = append(cells, labelsText(withoutRun(r.Labels)))
		if wide {
			cells = append(cells, shortened(lastNote(r.Notes)))
		}
		t.row(stateColour(r.State), 1, cells...)
	}
	return t.flush()
}

// A table aligns cells, and colours one column on a terminal.
type table struct {
	w        *tabwriter.Writer
	coloured bool
}

func newTable(out *os.File) *table {
	return &table{
		w:        tabwriter.NewWriter(out, 0, 0, 2, ' ', 0),
		coloured: term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == "",
	}
}

// row adds a row, the cell at the given column in the colour. All colours are
// of the same length, and a header has one too: the writer counts them in.
func (t *table) row(c colour, column int, cells ...string) {
	for i, cell := range cells {
		cells[i] = oneLine(cell)
		if t.coloured && i == column {
			cells[i] = "\x1b[" + string(c) + "m" + cells[i] + "\x1b[0m"
		}
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func (t *table) flush() error { return t.w.Flush() }

// colour is a terminal's foreground colour.
type colour string

const (
	colourNone   colour = "39"
	colourRed    colour = "31"
	colourGreen  colour = "32"
	colourYellow colour = "33"
	colourBlue   colour = "34"
)

func stateColour(s archive.State) colour {
	switch s {
	case archive.StateArchived:
		return colourGreen
	case archive.StateRunning:
		return colourBlue
	case archive.StateInterrupted:
		return colourYellow
	default:
		return colourRed
	}
}

// oneLine keeps what others wrote, labels and notes, from moving a terminal's
// cursor or a table's columns.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func timeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func durationText(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// countText shortens a count to three digits and a letter.
func countText(n int64) string {
	return scaled(float64(n), 1000, []string{"", "k", "M", "G", "T", "P", "E"})
}

func bytesText(n int64) string {
	return scaled(float64(n), 1024, []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"})
}

func scaled(x, by float64, units []string) string {
	i := 0
	for ; x >= by && i < len(units)-1; i++ {
		x /= by
	}
	if i == 0 || x >= 100 {
		return fmt.Sprintf("%.0f%s", x, units[i])
	}
	return fmt.Sprintf("%.3g%s", x, units[i])
}

func labelsText(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, name+"="+labels[name])
	}
	return strings.Join(pairs, ",")
}

func withoutRun(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	delete(labels, archive.LabelRun)
	return labels
}

func lastNote(notes []runNote) string {
	if len(notes) == 0 {
		return ""
	}
	return notes[len(notes)-1].Text
}
