package archive

import (
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

func TestSyntaxErrorShowsThePlace(t *testing.T) {
	for text, want := range map[string]string{
		"rate(up)":                  "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector\n  rate(up)\n       ^",
		"sum(":                      "1:5: parse error: unclosed left parenthesis\n  sum(\n      ^",
		"sum by (job) (\n\tup +\n)": "3:1: parse error: unexpected \")\" in aggregation\n  )\n  ^",
		"1 +\n\tup up\n+ 1":         "2:5: parse error: unexpected identifier \"up\"\n  \tup up\n  \t   ^",
		`{"ä"="ö"} x`:               "1:13: parse error: unexpected identifier \"x\"\n  {\"ä\"=\"ö\"} x\n            ^",
		"":                          "unknown position: parse error: no expression found in input\n  \n  ^",
	} {
		_, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		require.Error(t, err, text)
		syntax := NewSyntaxError(text, err)
		require.EqualError(t, syntax, want)
	}
}
