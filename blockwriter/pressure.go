package blockwriter

import (
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// mostWindows is how many windows the head may span before appends wait for
	// the cut of the first: it bounds memory where timestamps are replayed.
	mostWindows = 3
	// patience is how long they wait before the sender is asked to come again.
	patience  = 10 * time.Second
	pollEvery = 20 * time.Millisecond
)

// keepUp waits until the head spans few enough windows.
func (r *Run) keepUp() error {
	for start := time.Now(); r.headWindows() > mostWindows; time.Sleep(pollEvery) {
		if time.Since(start) > patience {
			return ErrBehind
		}
		r.wake()
	}
	return nil
}

// headWindows is how many windows' lengths lie between the oldest and the newest
// sample of the head.
func (r *Run) headWindows() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return 0
	}
	head := r.db.Head()
	if head.MinTime() > head.MaxTime() {
		return 0 // empty
	}
	return (head.MaxTime() - head.MinTime()) / r.opts.BlockDuration.Milliseconds()
}

// crashOnPanic lets a panic end the process. The database panics where it cannot
// write, with locks held; an HTTP server would go on without ever getting them,
// while the next process has everything that was acknowledged.
func crashOnPanic() {
	if p := recover(); p != nil {
		stack := debug.Stack()
		go panic(fmt.Sprintf("%v\n\n%s", p, stack)) // nobody recovers there
		select {}
	}
}
