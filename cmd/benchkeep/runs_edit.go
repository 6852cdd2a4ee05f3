package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

func addRunsLabel(runs *kingpin.CmdClause, f *runsFlags) func() int {
	cmd := runs.Command("label", "Add labels to a run after the fact: a verdict, a ticket. They are kept beside the manifest, not in blocks, and select runs like the others.")
	run := cmd.Arg("run", "The run.").Required().String()
	pairs := cmd.Arg("label", "Labels as name=value; without a value, the label is taken away again.").Required().Strings()
	return func() int {
		return f.onBucket(func(ctx context.Context, bkt objstore.Bucket) error {
			labels := map[string]string{}
			for _, pair := range *pairs {
				name, value, ok := strings.Cut(pair, "=")
				if !ok {
					return fmt.Errorf("label %q: want name=value", pair)
				}
				labels[name] = value
			}
			return addEdit(ctx, bkt, *run, archive.Edit{Labels: labels})
		})
	}
}

func addRunsNote(runs *kingpin.CmdClause, f *runsFlags) func() int {
	cmd := runs.Command("note", "Add a note to a run.")
	run := cmd.Arg("run", "The run.").Required().String()
	text := cmd.Arg("text", "The note.").Required().String()
	return func() int {
		return f.onBucket(func(ctx context.Context, bkt objstore.Bucket) error {
			return addEdit(ctx, bkt, *run, archive.Edit{Note: *text})
		})
	}
}

func addEdit(ctx context.Context, bkt objstore.Bucket, name string, edit archive.Edit) error {
	run, err := resolveRun(ctx, bkt, name)
	if err != nil {
		return err
	}
	if err := archive.AddEdit(ctx, bkt, run, edit, time.Now()); err != nil {
		return fmt.Errorf("run %s: %w", run, err)
	}
	return nil
}
