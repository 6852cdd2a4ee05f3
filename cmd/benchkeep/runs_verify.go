package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

type runsVerifyFlags struct {
	*runsFlags
	run, output *string
	all, scan   *bool
}

func addRunsVerify(runs *kingpin.CmdClause, common *runsFlags) func() int {
	cmd := runs.Command("verify", "Read a run back, every byte of it, and check that it is what its manifest says: exit code 0 if so, "+
		"or if it is still running; 2 if not, or if it was never archived. Blocks go through a temporary folder, one at a time: "+
		"TMPDIR names one with room for the largest.")
	f := runsVerifyFlags{
		runsFlags: common,
		run:       cmd.Arg("run", "The run.").String(),
		all:       cmd.Flag("all", "All runs, oldest first.").Bool(),
		scan:      scanFlag(cmd),
		output:    outputFlag(cmd, formatTable, formatJSON, formatYAML, formatCSV),
	}
	return func() int { return f.onBucket(f.verify) }
}

func (f *runsVerifyFlags) verify(ctx context.Context, bkt objstore.Bucket) error {
	if *f.all == (*f.run != "") {
		return errors.New("give a run, or --all")
	}
	// A signal ends the check, and what it has in the temporary folder.
	ctx, stop := untilSignal(ctx)
	defer stop()
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	runs, err := f.selected(catalogue)
	if err != nil {
		return err
	}
	reports, checkErr := verifyRuns(ctx, bkt, runs)
	if err := printReports(os.Stdout, *f.output, reports); err != nil {
		return err
	}
	if checkErr != nil {
		return checkErr
	}
	return errors.Join(judge(reports), problems(catalogue))
}

// selected are the runs to check. Of what could not be read, only that is left
// which may be about one of them.
func (f *runsVerifyFlags) selected(c *archive.Catalogue) ([]*archive.Run, error) {
	if *f.all {
		return slices.DeleteFunc(slices.Clone(c.Runs), func(r *archive.Run) bool { return !r.Recorded() && !*f.scan }), nil
	}
	run, err := c.Find(*f.run, *f.scan)
	if err != nil {
		return nil, err
	}
	c.Problems = slices.DeleteFunc(c.Problems, func(problem error) bool {
		var broken *archive.BrokenError
		return errors.As(problem, &broken) && broken.Run != "" && broken.Run != run.ID
	})
	return []*archive.Run{run}, nil
}

// verifyRuns checks one run after the other. Where the bucket fails it returns
// what it has so far.
func verifyRuns(ctx context.Context, bkt objstore.Bucket, runs []*archive.Run) (reports []*check.Report, err error) {
	view := newWorkView("checking runs")
	defer view.end()
	var before, total int64 // bytes
	for _, run := range runs {
		total += run.Bytes()
	}
	for _, run := range runs {
		report, err := check.Run(ctx, bkt, run, func(p check.Progress) {
			view.show(before+p.BytesDone, max(total, before+p.Bytes))
		})
		if err != nil {
			return reports, fmt.Errorf("check run %s: %w", run.ID, err)
		}
		before += report.Bytes
		reports = append(reports, report)
	}
	return reports, nil
}

// judge is an error unless every run is as it should be.
func judge(reports []*check.Report) error {
	bad := 0
	for _, r := range reports {
		if r.Verdict != check.Good && r.Verdict != check.Verdict(archive.StateRunning) {
			bad++
		}
	}
	if bad > 0 {
		return incompleteError{fmt.Errorf("%d of %d runs are not as they should be", bad, len(reports))}
	}
	return nil
}

func printReports(out *os.File, format string, reports []*check.Report) error {
	if reports == nil {
		reports = []*check.Report{}
	}
	switch format {
	case formatJSON:
		return printJSON(out, reports)
	case formatYAML:
		return printYAML(out, reports)
	case formatCSV:
		return printFindingsCSV(out, reports)
	default:
		return printReportsTable(out, reports)
	}
}

// printFindingsCSV prints a row for each finding, and one for each run without.
func printFindingsCSV(out io.Writer, reports []*check.Report) error {
	w := csv.NewWriter(out)
	w.Write([]string{"run", "verdict", "kind", "object", "detail"}) //nolint:errcheck // Error tells
	for _, r := range reports {
		findings := r.Findings
		if len(findings) == 0 {
			findings = []check.Finding{{}}
		}
		for _, found := range findings {
			w.Write([]string{r.Run, string(r.Verdict), string(found.Kind), found.Object, found.Detail}) //nolint:errcheck // as above
		}
	}
	w.Flush()
	return w.Error()
}

func printReportsTable(out *os.File, reports []*check.Report) error {
	t := newTable(out)
	t.row(colourNone, 1, "RUN", "VERDICT", "STATE", "BLOCKS", "SERIES", "SAMPLES", "SIZE", "FINDINGS")
	for _, r := range reports {
		t.row(verdictColour(r.Verdict), 1, r.Run, string(r.Verdict), string(r.State), strconv.Itoa(r.Blocks),
			countText(r.Series), countText(r.Samples), bytesText(r.Bytes), strconv.Itoa(len(r.Findings)))
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, r := range reports {
		if err := printFindings(out, r, len(reports) == 1); err != nil {
			return err
		}
	}
	return nil
}

// printFindings prints a paragraph about a run, if there is something to say.
func printFindings(out *os.File, r *check.Report, skipped bool) error {
	if len(r.Findings) > 0 {
		section(out, r.Run)
	}
	t := newTable(out)
	for _, found := range r.Findings {
		t.row(colourRed, 0, string(found.Kind), found.Object, found.Detail)
	}
	if err := t.flush(); err != nil || !skipped || len(r.Skipped) == 0 {
		return err
	}
	section(out, "not checked, or not all of it")
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "%s  %s\n", s.Block, s.Why)
	}
	return nil
}

func verdictColour(v check.Verdict) colour {
	switch v {
	case check.Good:
		return colourGreen
	case check.Broken:
		return colourRed
	default:
		return stateColour(archive.State(v))
	}
}
