package compare

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// Variables that a query may have in place of a duration, under the names that
// Grafana has for them. They make what happens between two evaluations count
// once: what is as it is, over a step; a rate over a scrape interval more, since it
// is told by what a sample has grown by since the one before.
const (
	varInterval     = "$__interval"
	varRateInterval = "$__rate_interval"
)

// A grid is the times of evaluations: a step apart, of samples that are an
// interval apart.
type grid struct{ step, interval time.Duration }

// A probe is a query as it is evaluated.
type probe struct {
	Subject // with a query in which variables have values
	// template is the query with its variables; empty if it has none.
	template string
	// lookback is how far back it looks, in whole steps; and apart, how many steps
	// lie between two values that nothing makes alike but what was measured.
	lookback, apart int64
}

// newProbe sets the variables of a subject's query.
func newProbe(s Subject, g grid) probe {
	p := probe{Subject: s}
	p.Query = with(s.Query, g.step+g.interval, g.step)
	if p.Query != s.Query {
		p.template = s.Query
	}
	p.lookback = steps(longestRange(p.Query), g.step)
	p.apart = max(1, steps(longestRange(with(s.Query, g.step, g.step)), g.step))
	return p
}

func steps(length, step time.Duration) int64 { return int64((length + step - 1) / step) }

// whole is the query that shows all of a time in one value.
func (p *probe) whole(length time.Duration) string { return with(p.template, length, length) }

func with(query string, rateInterval, interval time.Duration) string {
	return strings.NewReplacer(varRateInterval, model.Duration(rateInterval).String(), varInterval, model.Duration(interval).String()).Replace(query)
}

// longestRange is how far back a query that can be understood looks at most.
func longestRange(query string) (longest time.Duration) {
	parsed, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true}).ParseExpr(query)
	if err != nil {
		return 0 // evaluating it will tell
	}
	parser.Inspect(parsed, func(node parser.Node, path []parser.Node) error {
		var all time.Duration
		for _, n := range append(slices.Clone(path), node) {
			switch n := n.(type) {
			case *parser.MatrixSelector:
				all += n.Range
			case *parser.SubqueryExpr:
				all += n.Range
			}
		}
		longest = max(longest, all)
		return nil
	})
	return longest
}
