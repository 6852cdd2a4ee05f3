package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kingpin/v2"
	"github.com/schollz/progressbar/v3"
	"github.com/thanos-io/objstore"
	"golang.org/x/term"

	"github.com/benchkeep/benchkeep/archive"
)

const runsHelp = `Find, check and keep the runs of the archive.

Where a command takes a RUN, the beginning of its id is enough if no other run begins so.

Exit codes: 0 done; 1 bad flags, configuration or environment, no such run; 2 something of the archive could not be read or removed, or is damaged.`

// runsFlags is what all commands about runs share.
type runsFlags struct {
	bucket *bucketFlags
}

func addRuns(app *kingpin.Application) map[string]func() int {
	runs := app.Command("runs", runsHelp)
	f := &runsFlags{bucket: addBucketFlags(runs)}
	return map[string]func() int{
		"runs list":   addRunsList(runs, f),
		"runs show":   addRunsShow(runs, f),
		"runs rm":     addRunsRemove(runs, f),
		"runs prune":  addRunsPrune(runs, f),
		"runs label":  addRunsLabel(runs, f),
		"runs note":   addRunsNote(runs, f),
		"runs verify": addRunsVerify(runs, f),
	}
}

// incompleteError is an error that leaves something of the archive unread, or
// undone: exit code 2.
type incompleteError struct{ error }

func (e incompleteError) Unwrap() error { return e.error }

// onBucket opens the bucket, does what there is to do, and gives the exit code.
// What does it prints its own result.
func (f *runsFlags) onBucket(do func(context.Context, objstore.Bucket) error) int {
	// What objstore logs tells a user of these commands nothing.
	bkt, err := f.bucket.open(slog.New(slog.DiscardHandler), keepPrivate())
	if err != nil {
		return badUsage(err)
	}
	err = errors.Join(do(context.Background(), bkt), bkt.Close())
	if err == nil {
		return exitOK
	}
	badUsage(err)
	switch incomplete, regression := (incompleteError{}), (regressionError{}); {
	case errors.As(err, &regression):
		return exitWorse
	case errors.As(err, &incomplete):
		return exitNotSafe
	default:
		return exitBadUsage
	}
}

// ofBucket says of an error whose it is, and where the bucket is chosen.
func ofBucket(bkt objstore.Bucket, err error) error {
	if err == nil {
		return nil
	}
	if archive.IsAccessDenied(bkt, err) {
		return fmt.Errorf("bucket %s, see --objstore.config-file: these credentials do not suffice: %w", bkt.Name(), err)
	}
	return fmt.Errorf("bucket %s, see --objstore.config-file: %w", bkt.Name(), err)
}

// resolveRun gives the id of the run that is meant by a name, from the names of
// the runs' records alone.
func resolveRun(ctx context.Context, bkt objstore.Bucket, name string) (string, error) {
	ids, err := archive.RunIDs(ctx, bkt)
	if err != nil {
		return "", ofBucket(bkt, err)
	}
	return archive.FindRun(ids, name)
}

// outputFlag adds -o to a command that can print in the given formats, the
// first of which is the default.
func outputFlag(cmd *kingpin.CmdClause, formats ...string) *string {
	return cmd.Flag("output", "Format: "+joinOr(formats)+".").Short('o').Default(formats[0]).Enum(formats...)
}

func joinOr(words []string) string {
	out := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			out += " or " + w
		} else {
			out += ", " + w
		}
	}
	return out
}

// workView shows on a terminal how far long work is. It is for people only:
// where standard error is none, nothing is shown.
type workView struct {
	what string
	to   io.Writer // nil: nobody looks
	bar  *progressbar.ProgressBar
}

func newWorkView(what string) *workView {
	v := &workView{what: what}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		v.to = os.Stderr
	}
	return v
}

// show is told what is done, and what is to be done as far as is known. It is
// for one goroutine at a time.
func (v *workView) show(done, total int64) {
	if v.to == nil {
		return
	}
	if v.bar == nil {
		v.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(v.to), progressbar.OptionSetDescription(v.what),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100e6))
	}
	v.bar.ChangeMax64(total)
	v.bar.Set64(done) //nolint:errcheck // a terminal that is gone is no reason to stop
}

func (v *workView) end() {
	if v.bar != nil {
		v.bar.Finish() //nolint:errcheck // as above
	}
}
