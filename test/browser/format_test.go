package browser

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
)

// TestNumbers holds how a page writes numbers.
func TestNumbers(t *testing.T) {
	b := open(t, reportPage(t, &compare.Report{}))
	for _, tc := range []struct {
		subject compare.Subject
		values  string // in JSON
		want    []string
	}{
		{compare.Subject{Unit: "seconds"}, `[0.04321, 0.1]`, []string{"43.2 ms", "100.0 ms"}},
		{compare.Subject{Unit: "seconds"}, `[-0.002, null]`, []string{"−2 ms", "–"}},
		{compare.Subject{Unit: "ms"}, `[1500]`, []string{"1.500 s"}},
		{compare.Subject{Unit: "seconds/s"}, `[1.62]`, []string{"1.620 s/s"}},
		{compare.Subject{Name: "process_cpu_seconds_total", Statistic: "rate"}, `[0.5]`, []string{"500 ms/s"}},
		{compare.Subject{Name: "heap_bytes"}, `[536870912]`, []string{"512 MiB"}},
		{compare.Subject{Unit: "bytes/s"}, `[1536, 3]`, []string{"1.500 KiB/s", "0.003 KiB/s"}},
		{compare.Subject{Name: "http_requests_total", Unit: "/s"}, `[12410]`, []string{"12.41 k/s"}},
		{compare.Subject{Unit: "requests/s"}, `[12.34, 1e-9]`, []string{"12.34 requests/s", "1.0e−9 requests/s"}},
		{compare.Subject{Name: "hit_ratio"}, `[0.934]`, []string{"0.9340"}},
		{compare.Subject{Unit: "percent"}, `[93.4]`, []string{"93.40 %"}},
		{compare.Subject{Name: "goroutines"}, `[7, 0]`, []string{"7", "0"}},
	} {
		subject, err := json.Marshal(tc.subject)
		require.NoError(t, err)
		got := eval[[]string](b, `((values) => values.map(formatter(unitOf(%s), values)).map((t) => t.replaceAll("\u00a0", " ")))(%s)`, subject, tc.values)
		require.Equal(t, tc.want, got, string(subject))
	}
	for expression, want := range map[string]string{
		`percent(0.203)`: "+20.3 %", `percent(-0.0004)`: "−0.04 %", `percent(0)`: "0.00 %", `percent(12)`: "+1200 %", `percent(null)`: "–",
		`probability(0.0004)`: "<0.001", `probability(0.05)`: "0.050", `probability(null)`: "–",
		`clock(61)`: "1:01", `clock(3661)`: "1:01:01", `clock(0.25, 0.05)`: "0:00.25", `clock(59.96, 0.1)`: "1:00.0",
		`axisText(unitOf({ name: "a_bytes" }), [0, 1048576, 1572864]).join(", ")`: "0, 1 MiB, 1.5 MiB",
	} {
		require.Equal(t, want, eval[string](b, `(%s).replaceAll("\u00a0", " ")`, expression), expression)
	}
}
