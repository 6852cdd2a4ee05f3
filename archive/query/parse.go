package query

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/benchkeep/benchkeep/archive"
)

// newParser takes experimental functions, too: there is no server here whose
// other users would have to agree.
func newParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
}

// Check is a [SyntaxError] if a query cannot be understood.
func Check(expr string) error {
	_, err := parse(expr)
	return err
}

func parse(expr string) (parser.Expr, error) {
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		return nil, archive.NewSyntaxError(expr, err)
	}
	return parsed, nil
}

// errInfo says that a query cannot be narrowed to a run.
var errInfo = errors.New("info() reads series that no selector names, those of other runs as well: ask without --query.url")

// narrowed is a query about one run: every selector picks of it alone. The error
// is a [SyntaxError] or errInfo.
func narrowed(expr, run string) (string, error) {
	parsed, err := parse(expr)
	if err != nil {
		return "", err
	}
	ofRun := labels.MustNewMatcher(labels.MatchEqual, archive.LabelRun, run)
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			n.LabelMatchers = append(n.LabelMatchers, ofRun)
		case *parser.Call:
			if n.Func.Name == "info" {
				err = errInfo
			}
		}
		return nil
	})
	return parsed.String(), err
}

// ParseTime reads a point in time that is told relative to a run: 30s is that
// long after its start, -5m that long before its end, and an RFC 3339 time is
// what it is. Durations are as in PromQL; 0s is the start, -0s the end. Start
// and end are [archive.Run.Start] and the last sample's time, in Unix ms.
func ParseTime(text string, start, end int64) (int64, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UnixMilli(), nil
	}
	length, fromEnd := strings.CutPrefix(text, "-")
	d, err := model.ParseDuration(length)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q: want a duration after the run's start as in 30s, one before its end as in -5m, or an RFC 3339 time", text)
	case fromEnd:
		return end - time.Duration(d).Milliseconds(), nil
	default:
		return start + time.Duration(d).Milliseconds(), nil
	}
}
