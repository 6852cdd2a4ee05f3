package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// stepsWanted is how many values of a run are looked at: enough for its
	// batches, and for a chart.
	stepsWanted = 120
	// mostSteps bounds how long a run is worked on.
	mostSteps = 1_000_000
	// scrapesPerStep is how many samples a step spans at least, so that a rate is
	// defined in each even if a scrape is missed.
	scrapesPerStep = 2
)

// window chooses what is looked at of runs of which the longest goes on for some
// seconds: what was asked for, in steps that the interval of samples allows.
func (o *Options) window(longest float64, interval time.Duration) (Window, error) {
	w := Window{From: o.From.Seconds(), To: o.To.Seconds(), Step: o.Step.Seconds()}
	if w.To == 0 || w.To > longest {
		w.To = longest
	}
	if longest <= 0 {
		return w, errors.New("no run has samples of more than one time")
	}
	if w.From >= w.To {
		return w, fmt.Errorf("--from=%s is not before the end of the longest run, or --to: %s", o.From, seconds(w.To))
	}
	if w.Step > 0 && (w.To-w.From)/w.Step > mostSteps {
		return w, fmt.Errorf("--step=%s makes %.0f steps of a run: take a longer one", o.Step, (w.To-w.From)/w.Step)
	}
	if w.Step == 0 {
		w.Step = roundStep(max((w.To-w.From)/stepsWanted, scrapesPerStep*interval.Seconds()))
	}
	return w, nil
}

func (o *Options) grid(w Window, interval time.Duration) grid {
	return grid{time.Duration(w.Step * float64(time.Second)), interval.Round(time.Millisecond)}
}

func longest(members []*member) (seconds float64) {
	for _, m := range members {
		seconds = max(seconds, m.seconds())
	}
	return seconds
}

func longestInterval(ctx context.Context, members []*member) (interval time.Duration, err error) {
	for _, m := range members {
		of, err := m.scrapeInterval(ctx)
		if err != nil {
			return 0, err
		}
		interval = max(interval, of)
	}
	return interval, nil
}

// roundStep gives the next larger round number of seconds.
func roundStep(seconds float64) float64 {
	for _, round := range []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800} {
		if seconds <= 1.05*round { // an estimate is never exact
			return round
		}
	}
	return math.Ceil(seconds/3600) * 3600
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second / 10)
}
