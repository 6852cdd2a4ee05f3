package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestSecondSignal aborts a finish that hangs, then completes it from what was
// kept on disk.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	const run = "second-signal"
	dir := harness.Dir(t)
	r := startRun(t, dir, harness.HangingBucket(t, dir), run)
	want := sendSome(t, r)
	r.Signal(terminationSignal)
	harness.Until(t, "the upload to hang", func() error {
		state, err := r.State()
		if err == nil && state != "uploading" {
			err = fmt.Errorf("state is %q", state)
		}
		return err
	})
	r.Signal(terminationSignal)
	if code := r.Wait(); code != 3 {
		t.Fatalf("benchkeep exited with code %d, want 3", code)
	}
	checkResume(t, dir, r.Storage, run, want)
}

// TestUnreachableBucket finishes while the bucket cannot be reached: the exit
// code has to say so, and the data has to stay for another try.
func TestUnreachableBucket(t *testing.T) {
	t.Parallel()
	const run = "unreachable"
	dir := harness.Dir(t)
	r := startRun(t, dir, harness.UnreachableBucket(t, dir), run, "--finish.timeout=3s")
	want := sendSome(t, r)
	terminate(t, r, 2)
	checkResume(t, dir, r.Storage, run, want)
}

// TestUnreachableBucketOverHTTP is the same for a finish over HTTP: whoever
// asked is told.
func TestUnreachableBucketOverHTTP(t *testing.T) {
	t.Parallel()
	const run = "unreachable-http"
	dir := harness.Dir(t)
	r := startRun(t, dir, harness.UnreachableBucket(t, dir), run, "--finish.timeout=3s", "--finish.exit")
	want := sendSome(t, r)
	if status, summary := r.Finish(); status != 500 || summary["state"] != "failed" {
		t.Errorf("finish was answered %d: %v", status, summary)
	}
	if code := r.Wait(); code != 2 {
		t.Errorf("benchkeep exited with code %d, want 2", code)
	}
	checkResume(t, dir, r.Storage, run, want)
}

// TestResumeAfterKill completes a run that nobody had asked to finish.
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	const run = "killed"
	dir := harness.Dir(t)
	r := startRun(t, dir, harness.UnreachableBucket(t, dir), run)
	want := sendSome(t, r)
	r.Signal(syscall.SIGKILL)
	r.Wait()
	if m := checkResume(t, dir, r.Storage, run, want); m.Trigger != "resume" {
		t.Errorf("manifest: trigger is %q, want resume", m.Trigger)
	}
}

// TestRestart kills benchkeep in the middle of a run and starts it again on
// the same storage path: the run goes on, with everything acknowledged.
func TestRestart(t *testing.T) {
	t.Parallel()
	const run = "restart"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	first := startRun(t, dir, bucket, run)
	want := sendSome(t, first)
	first.Signal(syscall.SIGKILL)
	first.Wait()

	second := harness.StartReceiver(t, dir, harness.ReceiverOptions{
		Name: "benchkeep-again", Bucket: bucket, Run: run, Storage: first.Storage, Args: runLabels,
	})
	sender := harness.NewSender(t, second, harness.RemoteWriteV2)
	each(time.Now(), time.Now().Add(time.Minute), time.Second, func(at time.Time) {
		sender.Send(scrape("after", 5, at)...)
	})
	sender.Close()
	terminate(t, second, 0)
	want.AddSet(sent(sender))
	checkArchived(t, dir, bucket, run, want)
	if m := bucket.Manifest(t, run); len(m.Sessions) != 2 {
		t.Errorf("manifest has %d sessions, want 2", len(m.Sessions))
	}
}

// sendSome sends samples of two windows, in order and late.
func sendSome(t *testing.T, r *harness.Receiver) harness.Set {
	t.Helper()
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	defer sender.Close()
	end := time.Now().Truncate(time.Second)
	start := end.Add(-3 * time.Hour)
	each(start, end, step, func(at time.Time) { sender.Send(scrape("some", 10, at)...) })
	each(start, start.Add(time.Minute), step, func(at time.Time) {
		sender.Send(scrape("some", 10, at.Add(time.Second))...)
	})
	return sent(sender)
}

// checkResume completes the run that is left in the storage path, into a
// bucket that works, checks it and gives its record.
func checkResume(t *testing.T, dir, storage, run string, want harness.Set) harness.Manifest {
	t.Helper()
	bucket := harness.StartBucket(t, dir)
	resume := harness.Benchkeep(t, dir, "benchkeep-resume", "resume",
		"--storage.path="+storage, "--objstore.config-file="+bucket.ConfigFile)
	if code := resume.Wait(); code != 0 {
		t.Fatalf("benchkeep resume exited with code %d", code)
	}
	checkArchived(t, dir, bucket, run, want)
	return bucket.Manifest(t, run)
}
