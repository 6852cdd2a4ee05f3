package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What the heap may grow by before the garbage collector runs again.
const (
	lazyPercent = 400       // of what is live, while that is little
	lazyBytes   = 256 << 20 // but no more than this,
	lazyShare   = 8         // nor than this part of the memory limit,
	restPercent = 100       // unless it is this share, which is Go's own
)

// collectLazily makes the garbage collector wait while the heap is small. The
// heap of a receiver is nearly all series and samples, which live until their
// window is cut: to look through it each time it has doubled finds next to
// nothing, and is a third of what a new series costs. A memory limit makes the
// collector run in time whatever the percentage. A user's own GOGC stays.
func collectLazily() {
	if os.Getenv("GOGC") == "" {
		afterCollection()
	}
}

// afterCollection sets the percentage, and comes back after each collection:
// then the object that nobody refers to is found.
func afterCollection() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	limit := uint64(debug.SetMemoryLimit(-1)) // reads it
	debug.SetGCPercent(collectorPercent(live[0].Value.Uint64(), limit))
	runtime.AddCleanup(&struct{ _ [64]byte }{}, func(struct{}) { afterCollection() }, struct{}{})
}

// collectorPercent is GOGC for a heap with so many live bytes, and such a limit.
func collectorPercent(live, limit uint64) int {
	live = max(live, 1) // before the first collection
	return int(max(min(lazyPercent*live, 100*min(lazyBytes, limit/lazyShare))/live, restPercent))
}
