package compare

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/benchkeep/benchkeep/archive/query"
)

// Options say what to compare, and how.
type Options struct {
	// Queries is what to compare. Nil is every metric that both sides have, by
	// its type.
	Queries []Query
	// By are labels to tell a metric's series apart by. Without, all series of a
	// metric count together.
	By []string
	// From and To bound what is looked at, since t=0. A To of 0 is the end of
	// each run.
	From, To time.Duration
	// Step is the distance of evaluations; 0 is chosen by length and scrape
	// interval.
	Step time.Duration
	// Align is a query whose first result other than zero is t=0; empty is the
	// start of the run.
	Align string
	// Alpha is the level of the tests, MinChange the least relative change to
	// call a change.
	Alpha, MinChange float64
	// Thresholds make a gate of the comparison.
	Thresholds []Threshold
	// Curves keeps the values over time in the rows.
	Curves bool
	// Progress is told how many evaluations are done and how many there are, by
	// one goroutine at a time. It may be nil.
	Progress func(done, total int64)
}

// A Query is a subject that the user named, and the change from which it
// matters; zero is [Options.MinChange].
type Query struct {
	Subject
	Threshold float64
}

// Check reports options that cannot be meant. The error names the flag.
func (o *Options) Check() error {
	seen := map[string]bool{}
	for _, q := range o.Queries {
		if seen[q.Name] {
			return fmt.Errorf("two queries are named %q", q.Name)
		}
		seen[q.Name] = true
	}
	for _, t := range o.Thresholds {
		directed := func(q Query) bool { return q.Better != "" && (t.Name == "" || t.Name == q.Name) }
		if t.Verdict && !slices.ContainsFunc(o.Queries, directed) {
			return fmt.Errorf("--fail-on=%s: nobody has said what is better: do so in the file of --queries, or want a percentage, as in 5%%", t.Text)
		}
	}
	for _, name := range o.By {
		if !model.LegacyValidation.IsValidLabelName(name) {
			return fmt.Errorf("--by=%s: not the name of a label", name)
		}
	}
	switch {
	case o.From < 0 || o.To < 0:
		return fmt.Errorf("--from=%s and --to=%s count from the start, and cannot be negative", o.From, o.To)
	case o.To > 0 && o.To <= o.From:
		return fmt.Errorf("--to=%s is not after --from=%s", o.To, o.From)
	case o.Step < 0 || o.Step%time.Millisecond != 0:
		return fmt.Errorf("--step=%s: want whole milliseconds", o.Step)
	case !(o.Alpha > 0 && o.Alpha < 1):
		return fmt.Errorf("--alpha=%v: want a number between 0 and 1, as 0.05", o.Alpha)
	}
	if o.Align != "" {
		if err := query.Check(o.Align); err != nil {
			return fmt.Errorf("--align: %w", err)
		}
	}
	return nil
}
