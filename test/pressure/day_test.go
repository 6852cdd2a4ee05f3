package pressure

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/prompb"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A day is 24 h of timestamps of so many series at a time, of which a tenth is
// replaced by new ones in each window, as pods are.
type day struct {
	start, step int64
	series      int64
	labels      labelCache
}

const (
	windowsOfDay = 12
	// churn is the number of windows that a series lives.
	churn = 10
)

func newDay(series, step int64) *day {
	return &day{start: windowStart(windowsOfDay), step: step, series: series, labels: labelCache{}}
}

// id is the series that is in the slot in the window.
func (d *day) id(slot, w int64) int64 {
	born := (w + churn - slot%churn) / churn
	return slot + born*d.series
}

// sent tells whether the series has a sample at the time.
func (d *day) sent(id, at int64) bool {
	w := (at - d.start) / window
	return at >= d.start && w < windowsOfDay && (at-d.start)%d.step == 0 && d.id(id%d.series, w) == id
}

// samples is the number of samples of so many windows.
func (d *day) samples(windows int64) int64 { return windows * (window / d.step) * d.series }

// send sends a window from scrape to scrape.
func (d *day) send(t *testing.T, l *harness.Load, w int64) {
	t.Helper()
	ids := make([]int64, d.series)
	clear(d.labels)
	for slot := range d.series {
		ids[slot] = d.id(slot, w)
	}
	var batch []prompb.TimeSeries
	label := func(id int64) []prompb.Label { return d.labels.of(id) }
	for at := d.start + w*window; at < d.start+(w+1)*window; at += d.step {
		for from := int64(0); from < d.series; from += perRequest {
			batch = fill(batch, ids[from:min(from+perRequest, d.series)], at, label)
			must(t, l, batch)
		}
	}
}

// TestDay replays a day, window by window. After each cut the receiver holds
// what it held after the first ones.
func TestDay(t *testing.T) {
	const run = "day"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := start(t, dir, bucket, run, nil, "--ooo.window=1h")
	d := newDay(size[int64](4000, 50000), size(minute, 30*second))
	l := harness.NewLoad(t, r)
	var after []harness.Usage
	for w := range int64(windowsOfDay) {
		d.send(t, l, w)
		// Of the windows sent the newest is open; the others are in the bucket
		// although the run goes on.
		harness.Until(t, "completed windows to be in the bucket", func() error {
			if n := int64(len(bucket.Blocks(t))); n < w {
				return fmt.Errorf("%d blocks, want %d", n, w)
			}
			return nil
		})
		after = append(after, r.Usage())
		t.Logf("after window %d: %+v", w, after[w])
	}
	// In the first windows pools and maps grow to their size.
	early, late := after[2:6], after[8:]
	checkUsage(t, most(early), most(late))
	l.Close()
	terminate(t, r)
	checkBlocks(t, bucket)
	checkSamples(t, dir, bucket, d.samples(windowsOfDay), d.sent)
	if m := checkManifest(t, bucket, run, d.samples(windowsOfDay)); !m.Complete {
		t.Errorf("manifest: not complete, rejected %v", m.Rejected)
	}
}

// most is the most that the receiver held of anything at any of the times.
func most(usages []harness.Usage) (m harness.Usage) {
	for _, u := range usages {
		m.Heap = max(m.Heap, u.Heap)
		m.FDs, m.Goroutines = max(m.FDs, u.FDs), max(m.Goroutines, u.Goroutines)
		m.Segments, m.Blocks = max(m.Segments, u.Segments), max(m.Blocks, u.Blocks)
	}
	return m
}

// checkUsage checks that a receiver holds no more late in a run than early in
// it. What is bounded but not constant gets some room, less than six windows
// would take that each left one behind.
func checkUsage(t *testing.T, early, late harness.Usage) {
	t.Helper()
	const room = 5
	if late.Heap > 1.5*early.Heap {
		t.Errorf("heap grows: %.0f MiB early, %.0f MiB late", early.Heap/mib, late.Heap/mib)
	}
	for _, c := range []struct {
		what        string
		early, late float64
	}{
		{"file descriptors", early.FDs, late.FDs},
		{"goroutines", early.Goroutines, late.Goroutines},
		{"WAL segments", float64(early.Segments), float64(late.Segments)},
		{"local blocks", float64(early.Blocks), float64(late.Blocks)},
	} {
		if c.late > c.early+room {
			t.Errorf("%s grow: %g early, %g late", c.what, c.early, c.late)
		}
	}
	// --ooo.window lets late samples reach one window beyond the open one, and
	// blocks go when the next one is cut.
	if late.Blocks > 4 {
		t.Errorf("%d local blocks are kept, want at most 4", late.Blocks)
	}
}
