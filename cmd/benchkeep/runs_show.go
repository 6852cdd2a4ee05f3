package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

type runsShowFlags struct {
	*runsFlags
	run, output, grafana *string
	scan                 *bool
}

func addRunsShow(runs *kingpin.CmdClause, common *runsFlags) func() int {
	cmd := runs.Command("show", "Show all that manifests and blocks tell of a run, its metrics, and where to look at it.")
	f := runsShowFlags{
		runsFlags: common,
		run:       cmd.Arg("run", "The run.").Required().String(),
		grafana:   cmd.Flag("grafana.url", "Address of a Grafana, for a link to the run in its Explore.").PlaceHolder("<url>").String(),
		scan:      scanFlag(cmd),
		output:    outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML),
	}
	return func() int { return f.onBucket(f.show) }
}

// runDetails is a run as show prints it: the row of a list, and more.
type runDetails struct {
	runRow

	Manifests []*archive.Manifest `json:"manifests"`
	Stored    []blockRow          `json:"storedBlocks"`
	Metrics   []metricRow         `json:"metrics"`
	Links     runLinks            `json:"links"`
}

type blockRow struct {
	ULID       ulid.ULID   `json:"ulid"`
	MinTime    int64       `json:"minTime"` // Unix ms
	MaxTime    int64       `json:"maxTime"` // Unix ms, exclusive
	Resolution int64       `json:"resolution"`
	Series     uint64      `json:"series"`
	Samples    uint64      `json:"samples"`
	Bytes      int64       `json:"bytes"`
	Source     string      `json:"source"`
	Status     blockStatus `json:"status"`
}

// blockStatus says what readers of the bucket make of a block.
type blockStatus string

const (
	blockCurrent    blockStatus = "current"
	blockSuperseded blockStatus = "superseded"
	blockMarked     blockStatus = "marked for deletion"
	blockMissing    blockStatus = "missing"
	blockReplaced   blockStatus = "replaced" // superseded, and gone
	blockForeign    blockStatus = "other labels than the run's"
)

type metricRow struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Help   string `json:"help"`
	Unit   string `json:"unit"`
	Series int64  `json:"series"`
}

// runLinks lead to the run's samples. Expression, From and To are for any tool;
// Thanos is a path to put behind the address of a Thanos Query.
type runLinks struct {
	Expression string    `json:"expression"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Thanos     string    `json:"thanos"`
	Grafana    string    `json:"grafana,omitempty"`
}

func (f *runsShowFlags) show(ctx context.Context, bkt objstore.Bucket) error {
	now := time.Now()
	var grafana *url.URL
	if *f.grafana != "" {
		var err error
		if grafana, err = url.Parse(*f.grafana); err != nil || grafana.Host == "" {
			return fmt.Errorf("--grafana.url=%s: want a URL such as https://grafana.example.com", *f.grafana)
		}
	}
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	run, err := catalogue.Find(*f.run, *f.scan)
	if err != nil {
		return err
	}
	if len(run.Parts) == 0 && len(run.Broken) > 0 {
		return incompleteError{run.Broken[0]}
	}
	details, unread, err := newRunDetails(ctx, bkt, run, now)
	if err != nil {
		return ofBucket(bkt, err)
	}
	details.Links = linksTo(details, grafana)
	switch *f.output {
	case formatJSON:
		err = printJSON(os.Stdout, details)
	case formatYAML:
		err = printYAML(os.Stdout, details)
	default:
		err = printDetails(os.Stdout, details, *f.output == formatWide, now)
	}
	for _, broken := range run.Broken {
		unread = errors.Join(unread, broken)
	}
	if err == nil && unread != nil {
		err = incompleteError{unread}
	}
	return err
}

// newRunDetails reads what the catalogue does not keep. What of it could not be
// read is left out, and returned beside the error that leaves nothing to show.
func newRunDetails(ctx context.Context, bkt objstore.Bucket, run *archive.Run, now time.Time) (d *runDetails, unread, err error) {
	d = &runDetails{runRow: newRunRow(run, now), Manifests: []*archive.Manifest{}, Stored: []blockRow{}, Metrics: []metricRow{}}
	metrics := map[string]metricRow{}
	for _, p := range run.Parts {
		m, err := archive.ReadManifest(ctx, bkt, p.Object)
		if err != nil {
			return nil, nil, err
		}
		for name, meta := range m.Metrics {
			metrics[name] = metricRow{Name: name, Type: meta.Type, Help: meta.Help, Unit: meta.Unit}
		}
		d.Manifests = append(d.Manifests, m)
	}
	marksErr := run.ReadMarks(ctx, bkt)
	for _, b := range run.Blocks {
		d.Stored = append(d.Stored, newBlockRow(b, statusOf(b)))
	}
	for _, b := range run.Foreign {
		d.Stored = append(d.Stored, newBlockRow(b, blockForeign))
	}
	series, seriesErr := run.MetricSeries(ctx, bkt)
	families := maps.Clone(metrics)
	for name, n := range series {
		row := metrics[name]
		if row.Name == "" {
			row = families[familyOf(name)]
		}
		row.Name, row.Series = name, n
		metrics[name] = row
	}
	// A histogram's metadata goes by a name of which there is no series.
	maps.DeleteFunc(metrics, func(_ string, m metricRow) bool { return len(series) > 0 && m.Series == 0 })
	d.Metrics = slices.SortedFunc(maps.Values(metrics), func(a, b metricRow) int { return cmp.Compare(a.Name, b.Name) })
	return d, errors.Join(marksErr, seriesErr), nil
}

// familyOf is the name under which a sender may tell of a metric that is a part
// of a classic histogram or summary.
func familyOf(metric string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum", "_total"} {
		if family, ok := strings.CutSuffix(metric, suffix); ok {
			return family
		}
	}
	return metric
}

func newBlockRow(b *archive.StoredBlock, status blockStatus) blockRow {
	return blockRow{b.ULID, b.MinTime, b.MaxTime, b.Resolution, b.Series, b.Samples, b.Bytes, b.Source, status}
}

func statusOf(b *archive.StoredBlock) blockStatus {
	switch {
	case b.Missing:
		return blockMissing
	case b.Gone():
		return blockReplaced
	case !b.Marked.IsZero():
		return blockMarked
	case b.Superseded:
		return blockSuperseded
	default:
		return blockCurrent
	}
}

// linksTo makes links to one of the run's metrics, over the whole run. A store
// needs more than external labels to find anything, hence a metric.
func linksTo(d *runDetails, grafana *url.URL) runLinks {
	expression := fmt.Sprintf(`{__name__=~".+",run=%q}`, d.Run)
	for i, m := range d.Metrics {
		if i == 0 || m.Name == "up" {
			expression = fmt.Sprintf("{__name__=%q,run=%q}", m.Name, d.Run)
		}
	}
	links := runLinks{
		Expression: expression,
		From:       time.UnixMilli(d.MinTime).UTC(),
		To:         time.UnixMilli(d.MaxTime).UTC(),
	}
	span := max(links.To.Sub(links.From).Round(time.Second)+time.Minute, 5*time.Minute)
	thanos := url.Values{
		"g0.expr": {links.Expression}, "g0.tab": {"0"},
		"g0.range_input": {fmt.Sprintf("%ds", int64(span.Seconds()))},
		"g0.end_input":   {links.To.Add(time.Minute).Format("2006-01-02 15:04:05")},
	}
	links.Thanos = "/graph?" + thanos.Encode()
	if grafana != nil {
		links.Grafana = exploreLink(grafana, links)
	}
	return links
}

// exploreLink is an address of Grafana's Explore; the data source is the one
// that is Grafana's default, or was used last.
func exploreLink(grafana *url.URL, l runLinks) string {
	panes, _ := json.Marshal(map[string]any{"run": map[string]any{ // strings always marshal
		"queries": []any{map[string]any{"refId": "A", "expr": l.Expression}},
		"range": map[string]string{
			"from": strconv.FormatInt(l.From.Add(-time.Minute).UnixMilli(), 10),
			"to":   strconv.FormatInt(l.To.Add(time.Minute).UnixMilli(), 10),
		},
	}})
	link := grafana.JoinPath("explore")
	link.RawQuery = url.Values{"schemaVersion": {"1"}, "panes": {string(panes)}}.Encode()
	return link.String()
}

// printDetails prints what people read.
func printDetails(out *os.File, d *runDetails, wide bool, now time.Time) error {
	t := newTable(out)
	t.row(colourNone, 1, "run", d.Run)
	t.row(stateColour(d.State), 1, "state", string(d.State))
	for _, line := range summary(d) {
		t.row(colourNone, 1, line[0], line[1])
	}
	if err := t.flush(); err != nil {
		return err
	}
	printParts(out, d.Manifests, now)
	section(out, "blocks")
	t = newTable(out)
	t.row(colourNone, 0, "BLOCK", "FROM", "TO", "RESOLUTION", "SERIES", "SAMPLES", "SIZE", "SOURCE", "STATUS")
	for _, b := range d.Stored {
		from, to := time.UnixMilli(b.MinTime), time.UnixMilli(b.MaxTime)
		t.row(colourNone, 0, b.ULID.String(), timeText(&from), timeText(&to), resolutionText(b.Resolution),
			countText(int64(b.Series)), countText(int64(b.Samples)), bytesText(b.Bytes), b.Source, string(b.Status))
	}
	if err := t.flush(); err != nil {
		return err
	}
	section(out, "metrics")
	t = newTable(out)
	t.row(colourNone, 0, "METRIC", "TYPE", "UNIT", "SERIES", "HELP")
	for _, m := range d.Metrics {
		help := m.Help
		if !wide {
			help = shortened(help)
		}
		t.row(colourNone, 0, m.Name, cmp.Or(m.Type, "-"), cmp.Or(m.Unit, "-"), countText(m.Series), help)
	}
	if err := t.flush(); err != nil {
		return err
	}
	section(out, "links")
	fmt.Fprintf(out, "expression  %s\nThanos      %s\n", d.Links.Expression, d.Links.Thanos)
	if d.Links.Grafana != "" {
		fmt.Fprintf(out, "Grafana     %s\n", d.Links.Grafana)
	}
	return nil
}

// summary are the lines about the run as a whole.
func summary(d *runDetails) [][2]string {
	lines := [][2]string{
		{"complete", strconv.FormatBool(d.Complete)},
		{"labels", labelsText(withoutRun(d.Labels))},
		{"started", timeText(&d.Started)},
		{"finished", timeText(d.Finished)},
		{"duration", durationText(d.Seconds)},
		{"series", strconv.FormatInt(d.Series, 10)},
		{"samples", strconv.FormatInt(d.Samples, 10)},
		{"size", bytesText(d.Bytes)},
	}
	if d.Missing > 0 {
		lines = append(lines, [2]string{"missing", plural(d.Missing, "block") + " that a manifest lists"})
	}
	for _, n := range d.Notes {
		lines = append(lines, [2]string{"note", timeText(&n.At) + "  " + n.Text})
	}
	return lines
}

// printParts prints a paragraph for each part of the run.
func printParts(out io.Writer, manifests []*archive.Manifest, now time.Time) {
	for _, m := range manifests {
		section(out, "part "+m.Part)
		fmt.Fprintf(out, "state       %s%s\n", m.StateAt(now), by(m.Trigger))
		if m.Error != "" {
			fmt.Fprintf(out, "error       %s\n", oneLine(m.Error))
		}
		fmt.Fprintf(out, "samples     %d received, %d written (%d of them start timestamps), %d duplicates, %d archived\n",
			m.Received, m.Written, m.StartTimestamps, m.Duplicates, m.Archived)
		for _, reason := range slices.Sorted(maps.Keys(m.Rejected)) {
			fmt.Fprintf(out, "rejected    %d %s\n", m.Rejected[reason], oneLine(reason))
		}
		if m.Exemplars > 0 {
			fmt.Fprintf(out, "dropped     %d exemplars\n", m.Exemplars)
		}
		fmt.Fprintf(out, "labels      %s\n", oneLine(labelsText(m.Labels)))
		fmt.Fprintf(out, "senders     %s\n", oneLine(strings.Join(m.Senders, ", ")))
		for _, s := range m.Sessions {
			fmt.Fprintf(out, "session     %s  %s on %s\n", timeText(&s.Started), oneLine(s.Version), oneLine(s.Host))
		}
	}
}

func by(trigger string) string {
	if trigger == "" {
		return ""
	}
	return ", finished by " + trigger
}

func section(out io.Writer, name string) { fmt.Fprintf(out, "\n== %s\n", name) }

func resolutionText(ms int64) string {
	if ms == 0 {
		return "raw"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}

// shortened cuts a help text for a table.
func shortened(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return strings.TrimSpace(string(runes[:most])) + "…"
	}
	return s
}
