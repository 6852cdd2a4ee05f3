package main

import (
	"testing"
	"time"
)

// TestStart checks that all samples lie in the past and, if they can, in one
// window.
func TestStart(t *testing.T) {
	now := time.Date(2026, 1, 2, 13, 59, 59, 0, time.UTC)
	for samples, want := range map[int]time.Time{
		1:   time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC),
		480: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC),
		481: time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC),
	} {
		if got := (workload{samples: samples}).start(now); got != want.UnixMilli() {
			t.Errorf("%d samples start at %s, want %s", samples, time.UnixMilli(got).UTC(), want)
		}
	}
}

// TestChurn checks that each scrape replaces as many series as it should, and
// that a series that was replaced does not come back.
func TestChurn(t *testing.T) {
	w := workload{series: 30, samples: 12, churn: 0.25}
	const replaced = 7
	seen := map[uint64]int{} // the last scrape that has the id
	for scrape := range w.samples {
		fresh := 0
		for slot := range w.series {
			id := w.id(slot, scrape)
			last, known := seen[id]
			switch {
			case !known:
				fresh++
			case last != scrape-1:
				t.Errorf("scrape %d has series %d, which scrape %d had last", scrape, id, last)
			}
			seen[id] = scrape
		}
		want := replaced
		if scrape == 0 {
			want = w.series
		}
		if fresh != want {
			t.Errorf("scrape %d has %d new series, want %d", scrape, fresh, want)
		}
	}
}

// TestCounters checks that what is to be a counter never goes down.
func TestCounters(t *testing.T) {
	for id := range uint64(64) {
		for scrape := 1; scrape < 100; scrape++ {
			if id%8 < 6 && value(id, scrape) < value(id, scrape-1) {
				t.Fatalf("series %d goes down at scrape %d", id, scrape)
			}
			h, last := nativeHistogram(id, scrape), nativeHistogram(id, scrape-1)
			if err := h.Validate(); err != nil {
				t.Fatal(err)
			}
			if h.ToFloat(nil).DetectReset(last.ToFloat(nil)) {
				t.Fatalf("histogram %d is reset at scrape %d", id, scrape)
			}
		}
	}
}
