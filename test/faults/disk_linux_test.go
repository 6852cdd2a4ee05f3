package faults

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// Sizes of the storage path's disk in MB: more than the tests' samples take,
// so that only ballast makes it full.
const (
	smallDisk = 48
	roomyDisk = 200
)

// startOnDisk starts a run whose storage path is on a disk of its own.
func startOnDisk(t *testing.T, dir string, megabytes int, b harness.Bucket, run string, args ...string) (*harness.Disk, *harness.Receiver) {
	t.Helper()
	disk := harness.MountDisk(t, dir, megabytes)
	o := options(b, run, args...)
	o.Storage = filepath.Join(disk.Path, "data")
	return disk, harness.StartReceiver(t, dir, o)
}

// TestDiskFull fills the disk while a run goes on. Writes are answered 503, so
// that the sender keeps them; when there is space again the run goes on. What
// was acknowledged before, meanwhile and afterwards survives a crash as well.
func TestDiskFull(t *testing.T) {
	for _, c := range []struct {
		name string
		// leave is the space in bytes that the ballast leaves.
		leave int64
		// series is how many series each write has.
		series int
		// fresh sends series that were never sent before to the full disk.
		fresh bool
		crash bool
	}{
		{name: "known-series", series: 200},
		{name: "known-series-crash", series: 200, crash: true},
		{name: "new-series", series: 200, fresh: true},
		{name: "new-series-crash", series: 200, fresh: true, crash: true},
		{name: "records-of-many-pages", leave: 100 << 10, series: 10_000},
		{name: "records-of-many-pages-crash", leave: 100 << 10, series: 10_000, crash: true},
		{name: "full-in-a-page-crash", leave: 8 << 10, series: 200, fresh: true, crash: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := "disk-" + c.name
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			disk, r := startOnDisk(t, dir, smallDisk, bucket, run)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			at := windowStart(1)
			step := func(name string) []harness.TimeSeries {
				at += minute
				// Some are late, for the log of late samples.
				return append(floats(name, c.series, at), floats("known", c.series/4, at-minute/2)...)
			}
			for range 5 {
				sender.Send(step("known")...)
			}
			name := "known"
			if c.fresh {
				name = "fresh"
			}
			disk.Fill(c.leave)
			fillLog(t, sender, func() []harness.TimeSeries { return step(name) })
			disk.Empty()
			sender.Retry()
			for range 5 {
				sender.Send(step(name)...)
			}
			if c.crash {
				r.Kill()
				r = restart(t, r)
				sender.Close()
				sender.Send(step(name)...)
			}
			sender.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, run, sender)
		})
	}
}

// fillLog offers samples until the receiver has answered three times that it
// cannot take them: the rest of the last page is space, too.
func fillLog(t *testing.T, s *harness.Sender, next func() []harness.TimeSeries) {
	t.Helper()
	refused := 0
	for range 2000 {
		if s.Offer(next()...) {
			continue
		}
		if refused++; refused == 3 {
			return
		}
	}
	t.Fatal("a full disk did not stop the writes")
}

// TestDiskFullSuddenly fills the disk at moments that nobody can foresee, also
// in the middle of a write, and crashes the receiver now and then. Whatever a
// write left half done, nothing that was acknowledged before or after is lost.
func TestDiskFullSuddenly(t *testing.T) {
	t.Parallel()
	const run = "disk-suddenly"
	rng := random(t)
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	disk, r := startOnDisk(t, dir, roomyDisk, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	at := windowStart(1)
	for round := range rounds(t, 6) {
		full := make(chan struct{})
		time.AfterFunc(time.Duration(rng.Int64N(int64(40*time.Millisecond))), func() {
			disk.Fill(0)
			close(full)
		})
		// Series of its own in each round: they are logged once only.
		name := fmt.Sprintf("round_%d", round)
		for taken := true; taken; at += second {
			taken = sender.Offer(append(floats(name, 2000, at), floats(name, 200, at-second/2)...)...)
		}
		<-full
		disk.Empty()
		sender.Retry()
		if round%2 == 1 {
			r.Kill()
			r = restart(t, r)
			sender.Close()
		}
	}
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestDiskFullAnswer checks what a sender is told when the disk is full.
func TestDiskFullAnswer(t *testing.T) {
	t.Parallel()
	const run = "disk-answer"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	disk, r := startOnDisk(t, dir, smallDisk, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	tr := newTraffic(4)
	send(sender, tr, 5)
	disk.Fill(0)
	fillLog(t, sender, tr.next)
	batch := tr.next()
	if response := sender.Try(batch...); response.Status != http.StatusServiceUnavailable {
		t.Errorf("a write to a full disk was answered %d: %s", response.Status, response.Body)
	}
	sender.Unknown = append(sender.Unknown, batch)
	disk.Empty()
	sender.Retry()
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestDiskFullWhileCutting fills the disk before windows are cut: there is no
// space for their blocks, nor for chunks that leave memory.
func TestDiskFullWhileCutting(t *testing.T) {
	t.Parallel()
	const run = "disk-cut"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	disk, r := startOnDisk(t, dir, smallDisk, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	tr := newTraffic(16)
	send(sender, tr, 170) // not enough for a cut
	disk.Fill(1 << 20)
	for range 500 { // several windows, as far as there is space
		sender.Offer(tr.next()...)
	}
	disk.Empty()
	// The receiver has to be alive still: nobody restarts it here.
	if err := r.Running(); err != nil {
		t.Errorf("a full disk must not end the process: %v", err)
		r = restart(t, r)
	}
	sender.Retry()
	send(sender, tr, 50)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestDiskFullForChunks leaves space for the log, but none for the file into
// which full chunks of late samples leave memory.
func TestDiskFullForChunks(t *testing.T) {
	t.Parallel()
	const run = "disk-chunks"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	disk, r := startOnDisk(t, dir, smallDisk, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	at := windowStart(1)
	sender.Send(floats("known", 5, at+hour)...)
	disk.Fill(100 << 10)
	for n := range int64(6) { // more in all than a chunk of late samples holds
		if !sender.Offer(spans("known", 5, at+10*n*minute, at+10*(n+1)*minute, minute)...) {
			break
		}
	}
	disk.Empty()
	if err := r.Running(); err != nil {
		t.Errorf("a full disk must not end the process: %v", err)
		r = restart(t, r)
	}
	sender.Retry()
	sender.Send(floats("known", 5, at+hour+minute)...)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestSmallDisk never fills the disk: a run needs no more of it than its
// samples take a few times over.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	const run = "disk-small"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	_, r := startOnDisk(t, dir, smallDisk, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	send(sender, newTraffic(10), 580)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestDiskFullAtFinish finishes on a full disk: it may work out or not, but
// the exit code must be true, and with space again a resume completes.
func TestDiskFullAtFinish(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name  string
		leave int64
	}{{"no-space", 0}, {"a-little-space", 40 << 10}, {"space-for-a-block", 400 << 10}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := "disk-finish-" + c.name
			bucket := server.Another(t, dir, run)
			disk, r := startOnDisk(t, harness.Sub(t, dir, run), smallDisk, bucket, run, "--finish.timeout=5s")
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sender.Send(spans("some", 100, windowStart(2), windowStart(0)-hour, minute)...)
			sender.Send(spans("late", 20, windowStart(2)+second, windowStart(1), minute)...)
			sender.Close()
			disk.Fill(c.leave)
			r.Signal(terminationSignal)
			code := r.Wait()
			switch code {
			case 0:
				checkArchived(t, dir, bucket, run, sender)
			case 2:
				checkKept(t, bucket, run)
				disk.Empty()
				resume(t, dir, r.Storage, bucket)
				checkArchived(t, dir, bucket, run, sender)
			default:
				t.Errorf("benchkeep exited with code %d, want 0 or 2", code)
			}
		})
	}
}
