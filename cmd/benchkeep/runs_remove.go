package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
)

// deletionsAtOnce bounds the runs that are being deleted at a time.
const deletionsAtOnce = 8

// removal is what the commands that delete runs share.
type removal struct {
	*runsFlags
	output    *string
	yes, scan *bool
}

func newRemoval(cmd *kingpin.CmdClause, common *runsFlags) removal {
	return removal{
		runsFlags: common,
		yes:       cmd.Flag("yes", "Delete. Without it, what would be deleted is listed and nothing is.").Bool(),
		scan:      scanFlag(cmd),
		output:    outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML, formatCSV),
	}
}

func addRunsRemove(runs *kingpin.CmdClause, common *runsFlags) func() int {
	cmd := runs.Command("rm", "Delete a run: its blocks, its manifests, and what was added.")
	f := newRemoval(cmd, common)
	name := cmd.Arg("run", "The run.").Required().String()
	return func() int {
		return f.onBucket(func(ctx context.Context, bkt objstore.Bucket) error { return f.removeOne(ctx, bkt, *name) })
	}
}

func (f *removal) removeOne(ctx context.Context, bkt objstore.Bucket, name string) error {
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	run, err := catalogue.Find(name, *f.scan)
	if err != nil {
		for _, d := range catalogue.Unfinished {
			if d.Run == name {
				return f.remove(ctx, bkt, nil, []*archive.Deletion{d})
			}
		}
		return err
	}
	d, err := catalogue.Deletion(run, time.Now())
	if err != nil {
		return err
	}
	return f.remove(ctx, bkt, []*archive.Run{run}, []*archive.Deletion{d})
}

type runsPruneFlags struct {
	removal
	olderThan, selector, keepSelector *string
	keepLast                          *int
}

func addRunsPrune(runs *kingpin.CmdClause, common *runsFlags) func() int {
	cmd := runs.Command("prune", "Delete the runs that all of the given flags let go. Running ones stay, and those whose manifest cannot be read.")
	f := runsPruneFlags{
		removal:      newRemoval(cmd, common),
		olderThan:    cmd.Flag("older-than", "Let go runs that began before then: an age as in 90d, a date, or an RFC 3339 time.").PlaceHolder("<time>").String(),
		keepLast:     cmd.Flag("keep-last", "Keep that many of the selected runs, the newest.").PlaceHolder("<n>").Default("0").Int(),
		selector:     selectorFlag(cmd, "selector", "Let go only runs with these labels"),
		keepSelector: selectorFlag(cmd, "keep-selector", "Keep runs with these labels"),
	}
	return func() int { return f.onBucket(f.prune) }
}

func (f *runsPruneFlags) prune(ctx context.Context, bkt objstore.Bucket) error {
	now := time.Now()
	policy, err := f.policy(now)
	if err != nil {
		return err
	}
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return err
	}
	var candidates []*archive.Run
	for _, r := range catalogue.Runs {
		if r.Recorded() || *f.scan {
			candidates = append(candidates, r)
		}
	}
	runs := policy.Prune(candidates, now)
	var deletions []*archive.Deletion
	for _, r := range runs {
		d, err := catalogue.Deletion(r, now)
		if err != nil {
			return err
		}
		deletions = append(deletions, d)
	}
	// What an earlier prune was kept from completing is completed.
	for _, d := range catalogue.Unfinished {
		if !slices.ContainsFunc(runs, func(r *archive.Run) bool { return r.ID == d.Run }) {
			deletions = append(deletions, d)
		}
	}
	return errors.Join(f.remove(ctx, bkt, runs, deletions), problems(catalogue))
}

// policy is what the flags say, which has to be something: a prune that is told
// nothing would let go everything.
func (f *runsPruneFlags) policy(now time.Time) (policy archive.PrunePolicy, err error) {
	if *f.olderThan == "" && *f.keepLast == 0 && *f.selector == "" {
		return policy, errors.New("say what to let go with --older-than, --keep-last or --selector")
	}
	if *f.keepLast < 0 {
		return policy, fmt.Errorf("--keep-last=%d: want 0 or more", *f.keepLast)
	}
	policy.KeepLast = *f.keepLast
	if policy.StartedBefore, err = parseSince("older-than", *f.olderThan, now); err != nil {
		return policy, err
	}
	if policy.Selector, err = parseSelector("selector", *f.selector); err != nil {
		return policy, err
	}
	policy.Keep, err = parseSelector("keep-selector", *f.keepSelector)
	return policy, err
}

// remove lists the runs that go and, if it is meant, deletes them.
func (f *removal) remove(ctx context.Context, bkt objstore.Bucket, runs []*archive.Run, deletions []*archive.Deletion) error {
	if err := printRuns(os.Stdout, *f.output, runs, time.Now()); err != nil {
		return err
	}
	unfinished := len(deletions) - len(runs)
	what := plural(len(runs), "run")
	if unfinished > 0 {
		what += ", and what is left of " + plural(unfinished, "run") + " deleted before"
	}
	if !*f.yes {
		fmt.Fprintf(os.Stderr, "benchkeep: dry run; with --yes would be deleted: %s\n", what)
		return nil
	}
	if err := deleteAll(ctx, bkt, deletions); err != nil {
		return incompleteError{err}
	}
	fmt.Fprintf(os.Stderr, "benchkeep: deleted: %s\n", what)
	return nil
}

// deleteAll deletes several runs at a time. The first that fails ends it.
func deleteAll(ctx context.Context, bkt objstore.Bucket, deletions []*archive.Deletion) error {
	view := newWorkView("deleting runs")
	defer view.end()
	var mu sync.Mutex
	done := int64(0)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletionsAtOnce)
	for _, d := range deletions {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil // what failed tells
			}
			if err := archive.Delete(ctx, bkt, d); err != nil {
				return fmt.Errorf("delete run %s: %w", d.Run, err)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			view.show(done, int64(len(deletions)))
			return nil
		})
	}
	return group.Wait()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
