package archive

import (
	"slices"
	"time"
)

// A PrunePolicy says which runs to keep no longer. A run goes if everything
// that is set says so; one that is running never does, nor one that has a
// manifest which cannot be read.
type PrunePolicy struct {
	// Selector picks what the policy is about; empty means all runs.
	Selector Selector
	// StartedBefore lets go only what began before; zero means any.
	StartedBefore time.Time
	// KeepLast keeps that many of the runs that Selector picks, the newest.
	KeepLast int
	// Keep keeps the runs that it picks; empty means none.
	Keep Selector
}

// Prune gives those of the runs that the policy lets go, in their order. The
// runs are sorted by start.
func (p *PrunePolicy) Prune(runs []*Run, now time.Time) []*Run {
	about := slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return !r.Selected(p.Selector) })
	about = about[:max(len(about)-p.KeepLast, 0)]
	return slices.DeleteFunc(about, func(r *Run) bool {
		return r.State(now) == StateRunning || len(r.Broken) > 0 ||
			len(p.Keep) > 0 && r.Selected(p.Keep) ||
			!p.StartedBefore.IsZero() && !r.Started().Before(p.StartedBefore)
	})
}
