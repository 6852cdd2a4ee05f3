package compare_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
)

func TestParseQuery(t *testing.T) {
	q, err := compare.ParseQuery(`p99 of a=histogram_quantile(0.99, x{le="1"})`)
	require.NoError(t, err)
	require.Equal(t, compare.Subject{Name: "p99 of a", Query: `histogram_quantile(0.99, x{le="1"})`}, q.Subject)
	for text, want := range map[string]string{
		`up{job="a"}`:            "want name=PROMQL",
		"up":                     "want name=PROMQL",
		"=up":                    "want name=PROMQL",
		"cpu=rate(x[1m)":         "query cpu: 1:",
		"cpu=":                   "query cpu: ",
		"cpu=rate(x[$interval])": "query cpu: ",
	} {
		_, err := compare.ParseQuery(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestReadQueries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queries.yaml")
	read := func(content string) ([]compare.Query, error) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return compare.ReadQueries(path)
	}
	queries, err := read("queries:\n- {name: a, query: up, unit: seconds, better: lower, threshold: 5%}\n- {name: b, query: 'rate(x[$__interval])'}\n")
	require.NoError(t, err)
	require.Equal(t, []compare.Query{
		{Subject: compare.Subject{Name: "a", Query: "up", Unit: "seconds", Better: compare.Lower}, Threshold: 0.05},
		{Subject: compare.Subject{Name: "b", Query: "rate(x[$__interval])"}},
	}, queries)
	for content, want := range map[string]string{
		"":                                    "no queries in it",
		"queries: []":                         "no queries in it",
		"queries: {a: b":                      path,
		"queries:\n- {name: a, promql: up}\n": "field promql not found",
		"queries:\n- {query: up}\n":           `query 1, "": it has no name`,
		"queries:\n- {name: a}\n":             `query 1, "a": it has no query`,
		"queries:\n- {name: a, query: up, better: less}\n": `query 1, "a": better: less: want lower or higher`,
		"queries:\n- {name: a, query: up, threshold: 5}\n": `query 1, "a": threshold: 5: want a percentage, as in 5%`,
		"queries:\n- {name: a, query: 'up{'}\n":            "  up{\n     ^",
	} {
		_, err := read(content)
		require.ErrorContains(t, err, want, content)
	}
	_, err = compare.ReadQueries(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "none.yaml")
}

func TestCheckOptions(t *testing.T) {
	twice := compare.Query{Subject: compare.Subject{Name: "a", Query: "up"}}
	for want, o := range map[string]compare.Options{
		`two queries are named "a"`:                {Queries: []compare.Query{twice, twice}},
		"--by=a-b: not the name of a label":        {By: []string{"a-b"}},
		"--from=-1s and --to=0s count":             {From: -time.Second},
		"--to=1s is not after --from=2s":           {From: 2 * time.Second, To: time.Second},
		"--step=1.5ms: want whole milliseconds":    {Step: 1500 * time.Microsecond},
		"--alpha=1: want a number between 0 and 1": {Alpha: 1},
		"--align: 1:": {Alpha: 0.05, Align: "up{"},
	} {
		require.ErrorContains(t, o.Check(), want)
	}
	require.NoError(t, (&compare.Options{Alpha: 0.05}).Check())
}
