package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

type runsListFlags struct {
	*runsFlags
	output, selector, since *string
	limit                   *int
	scan                    *bool
}

func addRunsList(runs *kingpin.CmdClause, common *runsFlags) func() int {
	cmd := runs.Command("list", "List the runs of the archive, oldest first.")
	f := runsListFlags{
		runsFlags: common,
		selector:  selectorFlag(cmd, "selector", "Only runs with these labels"),
		since:     cmd.Flag("since", "Only runs that began since then: an age as in 7d or 12h, a date, or an RFC 3339 time.").PlaceHolder("<time>").String(),
		limit:     cmd.Flag("limit", "Only so many runs, the newest; 0 is all.").PlaceHolder("<n>").Default("0").Int(),
		scan:      scanFlag(cmd),
		output:    outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML, formatCSV),
	}
	return func() int { return f.onBucket(f.list) }
}

// selectorFlag adds a flag that takes PromQL matchers.
func selectorFlag(cmd *kingpin.CmdClause, name, help string) *string {
	return cmd.Flag(name, help+", as PromQL matchers: {branch=\"main\",commit=~\"0a.*\"}.").PlaceHolder("<matchers>").String()
}

func scanFlag(cmd *kingpin.CmdClause) *bool {
	return cmd.Flag("scan", "Runs without a manifest, too: those that the label 'run' of blocks tells of.").Bool()
}

// parseSelector reads the value of a flag; an empty one picks everything.
func parseSelector(flag, text string) (archive.Selector, error) {
	if text == "" {
		return nil, nil
	}
	s, err := archive.ParseSelector(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return s, nil
}

// parseSince reads a point in time: one that is written out, or an age.
func parseSince(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := model.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(age)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s=%s: want an age as in 7d or 12h, a date as in 2026-01-31, or an RFC 3339 time", flag, text)
}

func (f *runsListFlags) list(ctx context.Context, bkt objstore.Bucket) error {
	now := time.Now()
	selector, err := parseSelector("selector", *f.selector)
	if err != nil {
		return err
	}
	since, err := parseSince("since", *f.since, now)
	if err != nil {
		return err
	}
	if *f.limit < 0 {
		return fmt.Errorf("--limit=%d: want 0 (all) or more", *f.limit)
	}
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	var runs []*archive.Run
	for _, r := range catalogue.Runs {
		if visible(r, *f.scan) && r.Selected(selector) && !r.Started().Before(since) {
			runs = append(runs, r)
		}
	}
	if *f.limit > 0 {
		runs = runs[max(len(runs)-*f.limit, 0):]
	}
	if err := printRuns(os.Stdout, *f.output, runs, now); err != nil {
		return err
	}
	if len(runs) == 0 && (*f.output == formatTable || *f.output == formatWide) {
		fmt.Fprintf(os.Stderr, "benchkeep: no such run among the %d of bucket %s\n", len(catalogue.Runs), bkt.Name())
	}
	return f.remarks(catalogue)
}

// visible reports whether the run is one that a list shows.
func visible(r *archive.Run, scan bool) bool { return len(r.Parts) > 0 || scan && !r.Recorded() }
