package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/page"
)

const compareHelp = `Compare runs: tell what changed between two builds, or since when.

BASE and NEW are runs, or selectors as '{branch="main"}' of which the newest --last runs count. Without --query or --queries, everything that both sides have is compared, metric by metric. With --history, one line of values from run to run, and where it changed.

Exit codes: 0 done, and no threshold of --fail-on is broken; 1 bad flags, queries or environment, no such run, nothing in common; 2 something of a run could not be read, or a threshold could not be judged; 4 a threshold is broken.`

type compareFlags struct {
	*runsFlags
	cache *cacheFlags
	umask fs.FileMode // the user's

	base, fresh, history         *string
	last                         *int
	queries, failOn, outputs, by *[]string
	file, align, minChange       *string
	from, to, step               *time.Duration
	alpha                        *float64
	all                          *bool
}

func addCompare(app *kingpin.Application) func() int {
	cmd := app.Command("compare", compareHelp)
	f := compareFlags{
		runsFlags: &runsFlags{bucket: addBucketFlags(cmd)},
		cache:     addCacheFlags(cmd).withQueryURL(cmd),
		base:      cmd.Arg("base", "The run, or a selector of the runs, to compare with.").String(),
		fresh:     cmd.Arg("new", "The run, or a selector of the runs, to judge.").String(),
		last:      cmd.Flag("last", "Of a selector, the newest so many runs; 0 is all.").PlaceHolder("<n>").Default("0").Int(),
		history:   cmd.Flag("history", "In place of BASE and NEW: follow queries through the runs that a selector picks.").PlaceHolder("<matchers>").String(),
		queries:   cmd.Flag("query", "What to compare. Repeatable. Default: every metric that both sides have.").PlaceHolder("<name>=<promql>").Strings(),
		file:      cmd.Flag("queries", "YAML file of queries with name, query, unit, better (lower or higher) and threshold.").PlaceHolder("<path>").String(),
		by:        cmd.Flag("by", "Without queries: a label to tell a metric's series apart by. Repeatable.").PlaceHolder("<label>").Strings(),
		from:      cmd.Flag("from", "Leave out what comes before, since the start: the warm-up.").PlaceHolder("<duration>").Default("0s").Duration(),
		to:        cmd.Flag("to", "Leave out what comes after, since the start. Default: the end of each run.").PlaceHolder("<duration>").Duration(),
		step:      cmd.Flag("step", "Distance of evaluations. Default: chosen by length and scrape interval.").PlaceHolder("<duration>").Duration(),
		align:     cmd.Flag("align", "Begin each run where this query has its first result other than zero. Default: where the run starts.").PlaceHolder("<promql>").String(),
		alpha:     cmd.Flag("alpha", "How often equal things may be called different by chance.").Default("0.05").Float64(),
		minChange: cmd.Flag("min-change", "A smaller change is none, unless a query has a threshold of its own.").Default("5%").String(),
		failOn:    cmd.Flag("fail-on", "Exit with 4 if a change is significant and as large: 5%, name=+10%, name=-5%, or regression for what --queries says. Repeatable.").PlaceHolder("[<name>=]<threshold>").Strings(),
		all:       cmd.Flag("all", "List what did not change as well, and what could not be told.").Bool(),
		outputs:   cmd.Flag("output", "Format: table, markdown, json or html; and the file to write it to. Repeatable.").Short('o').PlaceHolder("<format>[=<path>]").Default("table").Strings(),
	}
	return func() int {
		f.umask = keepPrivate() // the cache is, what it writes for the user is not
		return f.onBucket(f.compare)
	}
}

func (f *compareFlags) compare(ctx context.Context, bkt objstore.Bucket) error {
	outputs, err := parseOutputs(*f.outputs)
	if err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	// A signal ends it, and leaves the cache in order.
	ctx, stop := untilSignal(ctx)
	defer stop()
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	view := newWorkView("evaluating")
	defer view.end()
	o.Progress = view.show
	if *f.history != "" {
		return f.printHistory(ctx, bkt, catalogue, o, outputs)
	}
	return f.printReport(ctx, bkt, catalogue, o, outputs)
}

// options reads the flags, and refuses what does not go together.
func (f *compareFlags) options() (o compare.Options, err error) {
	o = compare.Options{By: *f.by, From: *f.from, To: *f.to, Step: *f.step, Align: *f.align, Alpha: *f.alpha}
	if o.Queries, err = f.readQueries(); err != nil {
		return o, err
	}
	if o.MinChange, err = compare.ParsePercent(*f.minChange); err != nil {
		return o, fmt.Errorf("--min-change=%s: %w", *f.minChange, err)
	}
	for _, text := range *f.failOn {
		t, err := compare.ParseThreshold(text)
		if err != nil {
			return o, fmt.Errorf("--fail-on: %w", err)
		}
		o.Thresholds = append(o.Thresholds, t)
	}
	switch {
	case *f.history == "" && *f.fresh == "":
		return o, errors.New("want BASE and NEW: two runs, or selectors of runs; or --history")
	case *f.history != "" && *f.base != "":
		return o, errors.New("--history is in place of BASE and NEW")
	case *f.history != "" && o.Queries == nil:
		return o, errors.New("--history needs --query or --queries")
	case *f.history != "" && o.Thresholds != nil:
		return o, errors.New("--fail-on judges NEW by BASE; --history has neither")
	case o.Queries != nil && len(o.By) > 0:
		return o, errors.New("--by is for metrics; a query says by itself what it aggregates by")
	}
	return o, o.Check()
}

func (f *compareFlags) readQueries() (queries []compare.Query, err error) {
	if *f.file != "" {
		if queries, err = compare.ReadQueries(*f.file); err != nil {
			return nil, fmt.Errorf("--queries: %w", err)
		}
	}
	for _, text := range *f.queries {
		q, err := compare.ParseQuery(text)
		if err != nil {
			return nil, fmt.Errorf("--query: %w", err)
		}
		queries = append(queries, q)
	}
	return queries, nil
}

func (f *compareFlags) printReport(ctx context.Context, bkt objstore.Bucket, c *archive.Catalogue, o compare.Options, outputs []compareOutput) error {
	base, fresh, err := compare.Populations(c, *f.base, *f.fresh, *f.last, time.Now())
	if err != nil {
		return err
	}
	if o.Thresholds != nil {
		if err := errors.Join(inFull(base), inFull(fresh)); err != nil {
			return err
		}
	}
	o.Curves = wantsCharts(outputs)
	report, err := compare.Runs(ctx, base, fresh, f.opener(bkt), o)
	if err != nil {
		return err
	}
	err = f.write(outputs, map[string]func(*os.File) error{
		formatTable:    func(to *os.File) error { return printReportTable(to, report, *f.all) },
		formatMarkdown: func(to *os.File) error { return printReportMarkdown(to, report, *f.all) },
		formatJSON:     func(to *os.File) error { return printJSON(to, report.WithoutCurves()) },
		formatHTML:     func(to *os.File) error { return page.WriteReport(to, report) },
	})
	return errors.Join(err, unreadOf(base.Runs), unreadOf(fresh.Runs), passed(report.Gate))
}

// inFull refuses a run of which only the beginning was named: a gate for job 4
// must not judge job 42 because the former has left nothing.
func inFull(p compare.Population) error {
	if len(p.Runs) == 1 && p.Runs[0].ID != p.Asked && strings.HasPrefix(p.Runs[0].ID, p.Asked) {
		return fmt.Errorf("no run %q in the bucket; with --fail-on, name run %s in full", p.Asked, p.Runs[0].ID)
	}
	return nil
}

func (f *compareFlags) printHistory(ctx context.Context, bkt objstore.Bucket, c *archive.Catalogue, o compare.Options, outputs []compareOutput) error {
	runs, err := compare.NewPopulation(c, *f.history, *f.last, time.Now())
	if err != nil {
		return fmt.Errorf("--history: %w", err)
	}
	history, err := compare.Trace(ctx, runs, f.opener(bkt), o)
	if err != nil {
		return err
	}
	err = f.write(outputs, map[string]func(*os.File) error{
		formatTable:    func(to *os.File) error { return printHistoryTable(to, history) },
		formatMarkdown: func(to *os.File) error { return printHistoryMarkdown(to, history) },
		formatJSON:     func(to *os.File) error { return printJSON(to, history) },
		formatHTML:     func(to *os.File) error { return page.WriteHistory(to, history) },
	})
	return errors.Join(err, unreadOf(runs.Runs))
}

// unreadOf is an error if there is more of a run than can be read.
func unreadOf(runs []*archive.Run) (err error) {
	for _, run := range runs {
		err = errors.Join(err, unread(run))
	}
	return err
}

// opener opens runs by way of the cache, with the metadata of their metrics.
func (f *compareFlags) opener(bkt objstore.Bucket) compare.Open {
	return func(ctx context.Context, run *archive.Run) (opened compare.Opened, err error) {
		if opened.Source, err = f.cache.openRun(ctx, bkt, run); err != nil {
			return opened, err
		}
		if opened.Metadata, err = readMetadata(ctx, bkt, run); err != nil {
			return opened, errors.Join(err, opened.Source.Close())
		}
		return opened, nil
	}
}

// regressionError says that a threshold is broken: exit code 4.
type regressionError struct{ error }

func (e regressionError) Unwrap() error { return e.error }

// passed is an error unless the gate is passed.
func passed(g *compare.Gate) error {
	if g == nil {
		return nil
	}
	var lines []string
	for _, b := range g.Broken {
		lines = append(lines, fmt.Sprintf("\n  %s: %s, --fail-on=%s", b.Name, changeText(b.Change), b.Threshold))
	}
	var broken, unjudged error
	if lines != nil {
		broken = regressionError{fmt.Errorf("%s beyond the threshold:%s", plural(len(lines), "change"), strings.Join(lines, ""))}
	}
	lines = nil
	for _, u := range g.Unjudged {
		lines = append(lines, fmt.Sprintf("\n  --fail-on=%s: %s", u.Threshold, u.Why))
	}
	if lines != nil {
		unjudged = incompleteError{fmt.Errorf("not everything could be judged:%s", strings.Join(lines, ""))}
	}
	return errors.Join(broken, unjudged)
}

// A compareOutput is one format, and where it goes.
type compareOutput struct{ format, path string }

func parseOutputs(texts []string) (outputs []compareOutput, err error) {
	toStdout := 0
	for _, text := range texts {
		format, path, named := strings.Cut(text, "=")
		switch format {
		case formatTable, formatMarkdown, formatJSON, formatHTML:
		default:
			return nil, fmt.Errorf("-o %s: want table, markdown, json or html, and the file to write it to as in html=report.html", text)
		}
		if named && path == "" {
			return nil, fmt.Errorf("-o %s: no file is named", text)
		}
		if !named {
			toStdout++
		}
		outputs = append(outputs, compareOutput{format, path})
	}
	if toStdout > 1 {
		return nil, errors.New("-o: only one format can go to standard output; give the others a file, as in html=report.html")
	}
	return outputs, nil
}

func wantsCharts(outputs []compareOutput) bool {
	for _, out := range outputs {
		if out.format == formatHTML {
			return true
		}
	}
	return false
}

// write writes each output in its format. A file is there whole, or as it was
// before.
func (f *compareFlags) write(outputs []compareOutput, formats map[string]func(*os.File) error) (err error) {
	for _, out := range outputs {
		if out.path == "" {
			err = errors.Join(err, formats[out.format](os.Stdout))
		} else if e := writeWhole(out.path, f.umask, formats[out.format]); e != nil {
			err = errors.Join(err, fmt.Errorf("-o %s=%s: %w", out.format, out.path, e))
		}
	}
	return err
}
