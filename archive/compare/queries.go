package compare

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v2"

	"github.com/benchkeep/benchkeep/archive/query"
)

// ParseQuery reads name=PROMQL.
func ParseQuery(text string) (Query, error) {
	name, expr, found := strings.Cut(text, "=")
	if !found || name == "" || strings.ContainsAny(name, `{}()[]"`) {
		return Query{}, fmt.Errorf("%q: want name=PROMQL, as in cpu=rate(process_cpu_seconds_total[1m])", text)
	}
	if err := check(expr); err != nil {
		return Query{}, fmt.Errorf("query %s: %w", name, err)
	}
	return Query{Subject: Subject{Name: name, Query: expr}}, nil
}

// ReadQueries reads a YAML file of queries:
//
//	queries:
//	  - name: p99 latency
//	    query: histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))
//	    unit: seconds      # optional
//	    better: lower      # or higher; optional
//	    threshold: 5%      # the change from which it matters; optional
func ReadQueries(path string) ([]Query, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Queries []struct {
			Name, Query, Unit, Threshold string
			Better                       Direction
		}
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Queries) == 0 {
		return nil, fmt.Errorf("%s: no queries in it", path)
	}
	var queries []Query
	for i, f := range file.Queries {
		q := Query{Subject: Subject{Name: f.Name, Query: f.Query, Unit: f.Unit, Better: f.Better}}
		if err := q.complete(f.Threshold); err != nil {
			return nil, fmt.Errorf("%s: query %d, %q: %w", path, i+1, f.Name, err)
		}
		queries = append(queries, q)
	}
	return queries, nil
}

// complete takes the threshold, and checks the rest.
func (q *Query) complete(threshold string) (err error) {
	switch {
	case q.Name == "":
		return errors.New("it has no name")
	case q.Query == "":
		return errors.New("it has no query")
	case q.Better != "" && q.Better != Lower && q.Better != Higher:
		return fmt.Errorf("better: %s: want lower or higher", q.Better)
	}
	if threshold != "" {
		if q.Threshold, err = ParsePercent(threshold); err != nil {
			return fmt.Errorf("threshold: %s: %w", threshold, err)
		}
	}
	return check(q.Query)
}

// check reports whether a query can be understood. Any value will do for its
// variables.
func check(expr string) error { return query.Check(with(expr, time.Minute, time.Minute)) }
