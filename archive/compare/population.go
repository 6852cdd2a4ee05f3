package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// Populations finds the two sides of a comparison in the archive: each a run, or
// the archived runs that a selector picks, the newest last of them or all. A run
// that was named is left out of the other side's selection.
func Populations(c *archive.Catalogue, base, fresh string, last int, now time.Time) (b, f Population, err error) {
	if b, err = NewPopulation(c, base, last, now); err != nil {
		return b, f, err
	}
	if f, err = NewPopulation(c, fresh, last, now); err != nil {
		return b, f, err
	}
	switch {
	case isSelector(base) && !isSelector(fresh):
		b, err = b.without(c, f, last, now)
	case isSelector(fresh) && !isSelector(base):
		f, err = f.without(c, b, last, now)
	}
	if err != nil {
		return b, f, err
	}
	for _, run := range b.Runs {
		if slices.Contains(f.Runs, run) {
			return b, f, fmt.Errorf("run %s is on both sides, %s and %s", run.ID, base, fresh)
		}
	}
	return b, f, nil
}

// NewPopulation finds a run by its name, or the archived runs that a selector
// picks: the newest last of them, or all if that is 0.
func NewPopulation(c *archive.Catalogue, asked string, last int, now time.Time) (Population, error) {
	p := Population{Asked: asked}
	if !isSelector(asked) {
		run, err := c.Find(asked, false)
		if err != nil {
			return p, err
		}
		if run.Samples() == 0 {
			return p, fmt.Errorf("run %s has no samples", run.ID)
		}
		p.Runs = []*archive.Run{run}
		return p, nil
	}
	selector, err := archive.ParseSelector(asked)
	if err != nil {
		return p, err
	}
	others := 0
	for _, run := range c.Runs {
		switch {
		case !run.Selected(selector) || !run.Recorded():
		case run.State(now) == archive.StateArchived && run.Samples() > 0:
			p.Runs = append(p.Runs, run)
		default:
			others++
		}
	}
	if len(p.Runs) == 0 && others > 0 {
		return p, fmt.Errorf("no archived run matches %s; of those that do, %d are running, failed, interrupted or empty", asked, others)
	}
	if len(p.Runs) == 0 {
		return p, fmt.Errorf("no run matches %s", asked)
	}
	p.keepLast(last)
	return p, nil
}

func (p *Population) keepLast(last int) {
	if last > 0 {
		p.Runs = p.Runs[max(len(p.Runs)-last, 0):]
	}
}

// without selects anew, and passes over the runs of the other side.
func (p Population) without(c *archive.Catalogue, other Population, last int, now time.Time) (Population, error) {
	all, err := NewPopulation(c, p.Asked, 0, now)
	if err != nil {
		return p, err
	}
	all.Runs = slices.DeleteFunc(all.Runs, func(run *archive.Run) bool { return slices.Contains(other.Runs, run) })
	if len(all.Runs) == 0 {
		return p, errors.New("no run but " + other.Asked + " matches " + p.Asked)
	}
	all.keepLast(last)
	return all, nil
}

func isSelector(asked string) bool { return strings.HasPrefix(strings.TrimSpace(asked), "{") }
