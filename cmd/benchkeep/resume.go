package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/benchkeep/benchkeep/blockwriter"
)

type resumeFlags struct {
	logger func() *slog.Logger
	bucket *bucketFlags
	run    blockwriter.Options
}

func addResume(app *kingpin.Application) func() int {
	cmd := app.Command("resume", "Finish a run that was left on disk: after a crash, a failed finish or an abort.")
	f := resumeFlags{run: blockwriter.Options{Resume: true}}
	cmd.Flag("storage.path", "Directory that the run was received into.").Default("./benchkeep-data").StringVar(&f.run.Dir)
	f.bucket = addBucketFlags(cmd)
	cmd.Flag("finish.timeout", "Longest finish.").Default("10m").DurationVar(&f.run.FinishTimeout)
	f.logger = addLogFlags(cmd)
	return func() int { return f.resume() }
}

func (f *resumeFlags) resume() int {
	logger := f.logger()
	listenForSignals(logger) // the first asks for what is under way already, the second aborts
	bucket, err := f.bucket.open(logger, keepPrivate())
	if err != nil {
		return badUsage(err)
	}
	defer bucket.Close()
	f.run.Bucket, f.run.Receiver = bucket, thisReceiver()
	run, err := blockwriter.New(logger, prometheus.NewRegistry(), f.run)
	if errors.Is(err, blockwriter.ErrArchived) {
		fmt.Fprintln(os.Stdout, err)
		return exitOK
	}
	if err != nil {
		return badUsage(err)
	}
	if err := run.Start(context.Background()); err != nil {
		return badUsage(errors.Join(err, run.Close()))
	}
	err = run.Finish(context.Background(), blockwriter.TriggerResume)
	return conclude(logger, run, err)
}
