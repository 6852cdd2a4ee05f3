package e2e

import (
	"errors"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	step     = 30 * time.Second
	lag      = 3 * time.Hour
	duration = 5 * time.Hour

	leading = 50 // series that are sent in order
	lagging = 10 // series that are sent a few hours late
)

// TestManyWindows sends five hours of samples, some of them late into windows
// that were cut and uploaded before, some of them twice. What is in the bucket
// in the end are aligned blocks, one a window, with each sample once.
func TestManyWindows(t *testing.T) {
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "windows-" + name
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			r := startRun(t, dir, bucket, run)
			want, duplicates := sendWindows(t, r, bucket, message)
			finish(t, r)

			checkArchived(t, dir, bucket, run, want)
			blocks := bucket.Blocks(t)
			if got := windows(want); len(blocks) != got {
				t.Errorf("%d blocks for %d windows", len(blocks), got)
			}
			if folders := bucket.Folders(t); len(folders) != len(blocks) {
				t.Errorf("replaced blocks are left in the bucket: folders %v, blocks %d", folders, len(blocks))
			}
			if m := bucket.Manifest(t, run); m.Duplicates != duplicates {
				t.Errorf("manifest: %d duplicates, want %d", m.Duplicates, duplicates)
			}
			checkThanos(t, harness.StartThanos(t, dir, bucket), run, "6h", want)
		})
	}
}

// sendWindows sends the samples and gives them back, and the number of samples
// that were sent once too often.
func sendWindows(t *testing.T, r *harness.Receiver, b harness.Bucket, message string) (harness.Set, int64) {
	t.Helper()
	lead, late := harness.NewSender(t, r, message), harness.NewSender(t, r, message)
	defer lead.Close()
	defer late.Close()
	end := time.Now().Truncate(time.Second)
	start := end.Add(-duration)

	each(start, end, step, func(at time.Time) {
		lead.Send(scrape("lead", leading, at)...)
		if behind := at.Add(-lag); !behind.Before(start) {
			late.Send(scrape("late", lagging, behind)...)
		}
	})
	// From here on late samples fall into windows that are in the bucket.
	harness.Until(t, "a block before the finish", func() error {
		if len(b.Blocks(t)) == 0 {
			return errors.New("the bucket has no block")
		}
		return nil
	})
	each(end.Add(-lag), end, step, func(at time.Time) {
		late.Send(scrape("late", lagging, at)...)
	})
	// Not a late sender, but late samples of series that are far ahead.
	each(start, start.Add(time.Hour), step, func(at time.Time) {
		lead.Send(scrape("lead", lagging, at.Add(step/2))...)
	})
	// A batch that the sender thinks was lost, and batches of windows that
	// were cut long ago.
	lead.Resend(scrape("lead", leading, end.Add(-step))...)
	lead.Resend(scrape("lead", leading, start)...)
	lead.Resend(scrape("lead", lagging, start.Add(step/2))...)
	late.Resend(scrape("late", lagging, start.Add(step))...)
	return sent(lead, late), 2*leading + 2*lagging
}
