package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/term"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/export"
	"github.com/benchkeep/benchkeep/archive/query"
)

const exportHelp = `Take the samples of a run out of the archive, for notebooks and other tools.

CSV and Parquet have all of them; OpenMetrics has no native histograms and no staleness markers, which are counted on standard error. Or, with --block-dir, the run's blocks as they are, to point a Prometheus at. Times are relative to the run: 30s is that long after its start, -5m that long before its end (as in --from=-5m), or an RFC 3339 time. The beginning of a run's id is enough if no other run begins so.

Exit codes: 0 done; 1 bad flags, selectors or environment, no such run; 2 something of the run could not be read.`

type exportFlags struct {
	*runsFlags
	cache *cacheFlags

	run, output, file, blockDir *string
	match                       *[]string
	from, to                    *string
	scan                        *bool
	// chosen and asBlocks: the user has asked for a format, for blocks.
	chosen, asBlocks bool
	// umask is the user's.
	umask fs.FileMode
}

func addExport(app *kingpin.Application) func() int {
	cmd := app.Command("export", exportHelp)
	f := exportFlags{
		runsFlags: &runsFlags{bucket: addBucketFlags(cmd)},
		cache:     addCacheFlags(cmd),
		run:       cmd.Arg("run", "The run.").Required().String(),
		match:     cmd.Flag("match", "Only series that this selector picks, as in '{__name__=~\"http_.*\"}'. Repeatable: what any of them picks.").PlaceHolder("<selector>").Strings(),
		from:      cmd.Flag("from", "Only samples from then on. Default: all.").PlaceHolder("<time>").String(),
		to:        cmd.Flag("to", "Only samples up to then. Default: all.").PlaceHolder("<time>").String(),
		scan:      scanFlag(cmd),
		file:      cmd.Flag("output-file", "File to write to: whole or not at all. Default: standard output.").PlaceHolder("<path>").String(),
	}
	f.blockDir = cmd.Flag("block-dir", "In place of samples, put the run's blocks into this folder: the storage of a Prometheus.").PlaceHolder("<path>").IsSetByUser(&f.asBlocks).String()
	formats := []string{string(export.CSV), string(export.Parquet), string(export.OpenMetrics)}
	f.output = cmd.Flag("output", "Format: "+joinOr(formats)+".").Short('o').Default(formats[0]).IsSetByUser(&f.chosen).Enum(formats...)
	return func() int {
		f.umask = keepPrivate()
		return f.onBucket(f.export)
	}
}

func (f *exportFlags) export(ctx context.Context, bkt objstore.Bucket) error {
	match, err := f.check()
	if err != nil {
		return err
	}
	// A signal ends it, and leaves the cache and what is written to in order.
	ctx, stop := untilSignal(ctx)
	defer stop()
	run, err := f.find(ctx, bkt, *f.run, *f.scan)
	if err != nil {
		return err
	}
	if *f.blockDir != "" {
		err = f.exportBlocks(ctx, bkt, run)
	} else {
		err = f.exportSamples(ctx, bkt, run, match)
	}
	if err != nil {
		return err
	}
	if run.State(time.Now()) == archive.StateRunning {
		end := time.UnixMilli(lastSample(run))
		remarkf("run %s goes on: this is what is in the bucket so far, up to %s", run.ID, timeText(&end))
	}
	return unread(run)
}

// remarkf tells something besides the output.
func remarkf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "benchkeep: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// check reads the selectors, and refuses flags that do not go together.
func (f *exportFlags) check() (match []export.Match, err error) {
	for _, text := range *f.match {
		m, err := export.ParseMatch(text)
		if err != nil {
			return nil, fmt.Errorf("--match: %w", err)
		}
		match = append(match, m)
	}
	switch {
	case f.asBlocks && *f.blockDir == "":
		return nil, errors.New("--block-dir names no folder")
	case *f.blockDir != "" && (f.chosen || *f.file != "" || match != nil || *f.from != "" || *f.to != ""):
		return nil, errors.New("--block-dir takes whole blocks, as they are: it does not go with -o, --output-file, --match, --from and --to")
	case *f.blockDir == "" && *f.file == "" && *f.output == string(export.Parquet) && term.IsTerminal(int(os.Stdout.Fd())):
		return nil, errors.New("-o parquet is binary, and standard output is a terminal: name a file with --output-file, or write to a pipe")
	}
	return match, nil
}

// span gives the first and the last millisecond that are wanted.
func (f *exportFlags) span(run *archive.Run) (from, to int64, err error) {
	start, end := run.Start(), lastSample(run)
	from, to = math.MinInt64, math.MaxInt64
	if *f.from != "" {
		if from, err = query.ParseTime(*f.from, start, end); err != nil {
			return 0, 0, fmt.Errorf("--from=%w", err)
		}
	}
	if *f.to != "" {
		if to, err = query.ParseTime(*f.to, start, end); err != nil {
			return 0, 0, fmt.Errorf("--to=%w", err)
		}
	}
	if from > to {
		return 0, 0, fmt.Errorf("--from is %s after --to: want a range that ends after it begins", time.Duration(from-to)*time.Millisecond)
	}
	return from, to, nil
}

func (f *exportFlags) exportSamples(ctx context.Context, bkt objstore.Bucket, run *archive.Run, match []export.Match) (err error) {
	o := export.Options{
		Format: export.Format(*f.output), Match: match,
		Run: run.ID, Labels: run.Labels(), Start: time.UnixMilli(run.Start()),
	}
	if o.From, o.To, err = f.span(run); err != nil {
		return err
	}
	if o.Metadata, err = readMetadata(ctx, bkt, run); err != nil {
		return err
	}
	source, err := f.cache.openLocal(ctx, bkt, run)
	if err != nil {
		return err
	}
	var sum *export.Summary
	err = writeExport(*f.file, f.umask, func(out export.Output) (err error) {
		sum, err = export.Samples(ctx, source, out, o)
		return err
	})
	if err = errors.Join(err, source.Close()); err != nil {
		return ofRun(err)
	}
	f.remark(run, sum)
	return nil
}

// readMetadata is what the run's manifests tell of its metrics.
func readMetadata(ctx context.Context, bkt objstore.Bucket, run *archive.Run) (map[string]archive.Metadata, error) {
	metadata := map[string]archive.Metadata{}
	for _, part := range run.Parts {
		m, err := archive.ReadManifest(ctx, bkt, part.Object)
		if err != nil {
			return nil, ofBucket(bkt, err)
		}
		maps.Copy(metadata, m.Metrics)
	}
	return metadata, nil
}

// remark tells what else is to be said of the samples that were written.
func (f *exportFlags) remark(run *archive.Run, sum *export.Summary) {
	if sum.Samples == 0 {
		remarkf("there is nothing to export: run %s has no samples of the kind at that time", run.ID)
	}
	if *f.file != "" {
		remarkf("%d samples of %d series are in %s", sum.Samples, sum.Series, *f.file)
	}
	if sum.Histograms > 0 {
		remarkf("left out: %d native histograms, of %d series; OpenMetrics has none: -o csv, -o parquet and --block-dir have them",
			sum.Histograms, sum.HistogramSeries)
	}
	if sum.Stale > 0 {
		remarkf("left out: %d staleness markers, the ends of series; OpenMetrics has none: -o csv, -o parquet and --block-dir have them", sum.Stale)
	}
}

// rawBlocks are the run's blocks that have its samples as they were received.
func rawBlocks(run *archive.Run) []*archive.StoredBlock {
	return slices.DeleteFunc(run.Current(), func(b *archive.StoredBlock) bool { return b.Gone() || !b.Raw() })
}
