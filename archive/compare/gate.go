package compare

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// A Threshold is what a gate does not let pass.
type Threshold struct {
	// Text is as the user gave it.
	Text string
	// Name is that of the subjects it is about, with or without statistic and
	// labels; empty for all.
	Name string
	// Verdict means regressions, whatever their size, and nothing else.
	Verdict bool
	// Change is the relative change that breaks it: that much more, if Sign is
	// positive; that much less, if negative; else that much worse or, where
	// nobody has said what is better, either way.
	Change float64
	Sign   int
}

const thresholdForm = `want [NAME=][+|-]PERCENT%, as in 5%, "p99 latency=+10%" or "throughput=-5%"; or [NAME=]regression`

// ParseThreshold reads a threshold.
func ParseThreshold(text string) (Threshold, error) {
	t := Threshold{Text: text}
	limit := text
	if i := strings.LastIndexByte(text, '='); i >= 0 {
		t.Name, limit = text[:i], text[i+1:]
		if t.Name == "" {
			return t, fmt.Errorf("%q: %s", text, thresholdForm)
		}
	}
	if limit == string(Regression) {
		t.Verdict = true
		return t, nil
	}
	switch {
	case strings.HasPrefix(limit, "+"):
		t.Sign, limit = 1, limit[1:]
	case strings.HasPrefix(limit, "-"):
		t.Sign, limit = -1, limit[1:]
	}
	var err error
	if t.Change, err = ParsePercent(limit); err != nil {
		return t, fmt.Errorf("%q: %s", text, thresholdForm)
	}
	return t, nil
}

// ParsePercent reads 5% as 0.05.
func ParsePercent(text string) (float64, error) {
	number, found := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(percent >= 0) || math.IsInf(percent, 0) {
		return 0, errors.New("want a percentage, as in 5%")
	}
	return percent / 100, nil
}

// gate applies the thresholds. A gate that could not look at what it was set up
// for is not passed.
func (c *comparison) gate() *Gate {
	g := &Gate{Thresholds: []string{}, Broken: []Broken{}, Unjudged: []Unjudged{}}
	for _, t := range c.Thresholds {
		g.Thresholds = append(g.Thresholds, t.Text)
		c.apply(t, g)
		for _, why := range c.doubts {
			g.Unjudged = append(g.Unjudged, Unjudged{t.Text, why})
		}
	}
	return g
}

// incomplete says of which runs there is not everything.
func incomplete(members []*member) (whys []string) {
	for _, m := range members {
		if state := m.run.State(time.Now()); state != archive.StateArchived {
			whys = append(whys, fmt.Sprintf("run %s is %s: not everything of it is in the bucket", m.run.ID, state))
		}
	}
	return whys
}

// apply applies one threshold. Where it is about something that the user named,
// all of that has to be judged; else it is enough that something could be.
func (c *comparison) apply(t Threshold, g *Gate) {
	named := t.Name != "" || c.Queries != nil
	seen := 0 // what was judged, or told of
	unjudged := func(name, why string) {
		g.Unjudged = append(g.Unjudged, Unjudged{t.Text, name + ": " + why})
	}
	for _, r := range c.report.Rows {
		switch {
		case !t.about(r):
		case r.Verdict != Undecided:
			if named || !r.constant { // that up is 1 throughout says nothing of a build
				seen++
			}
			if c.beyond(t, r) {
				g.Broken = append(g.Broken, Broken{t.Text, r.Title(), r.Change})
			}
			if named && r.lacking != "" {
				unjudged(r.Title(), r.lacking)
			}
		case named:
			seen++
			unjudged(r.Title(), r.Why)
		}
	}
	if named {
		for _, s := range c.report.Skipped {
			if t.Name == "" || t.Name == s.of || t.Name == s.Name {
				seen++
				unjudged(s.Name, s.Why)
			}
		}
	}
	switch {
	case seen > 0:
	case t.Name != "":
		unjudged(t.Name, "nothing of that name was compared")
	default:
		unjudged("all", "there are too few values to tell")
	}
}

func (t *Threshold) about(r *Row) bool {
	return t.Name == "" || t.Name == r.Name || t.Name == r.Name+" "+r.Statistic || t.Name == r.Title()
}

// beyond reports whether a row that was judged breaks the threshold.
func (c *comparison) beyond(t Threshold, r *Row) bool {
	if t.Verdict {
		return r.Verdict == Regression
	}
	change := r.moved()
	if !c.significant(r) || math.Abs(change) < t.Change {
		return false
	}
	switch {
	case t.Sign != 0:
		return t.Sign > 0 == (change > 0)
	default:
		return direction(r.Better, change) != Improvement
	}
}
