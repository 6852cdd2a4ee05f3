package blockwriter

import "time"

// clockTolerance is how far behind the clock the first samples may be before it
// is worth a word: more than scrape intervals and sending take.
const clockTolerance = 5 * time.Minute

// checkClock warns once, at the session's first samples, where they are old:
// the sender's clock may be off, and a query for the run's time find nothing.
func (a *appending) checkClock() {
	if a.clockChecked || len(a.batch.Samples) == 0 {
		return
	}
	a.clockChecked = true
	behind := time.Duration(a.now-a.batch.Samples[0].Timestamp) * time.Millisecond
	if behind > clockTolerance {
		a.run.logger.Warn("the first samples are old: the sender's clock is off, or it catches up", "sender", a.batch.Sender, "behind", behind)
	}
}
