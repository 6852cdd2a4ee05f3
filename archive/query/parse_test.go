package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueriesAreNarrowed(t *testing.T) {
	for expr, want := range map[string]string{
		`up`:                                  `up{run="r\"1"}`,
		`{job="a"}`:                           `{job="a",run="r\"1"}`,
		`{"my.metric"}`:                       `{__name__="my.metric",run="r\"1"}`,
		`rate(up{run="x"}[5m] offset 1h @ 7)`: `rate(up{run="r\"1",run="x"}[5m] @ 7.000 offset 1h)`,
		`sum by (a) (up) / on (a) group_left () max_over_time(sum(down)[5m:1m])`: `sum by (a) (up{run="r\"1"}) / on (a) group_left () max_over_time(sum(down{run="r\"1"})[5m:1m])`,
		`label_replace(up, "a", "$1", "b", "(.*)") and -up @ end()`:              `label_replace(up{run="r\"1"}, "a", "$1", "b", "(.*)") and -up{run="r\"1"} @ end()`,
		`topk(3, up) or vector(1) or absent(x)`:                                  `topk(3, up{run="r\"1"}) or vector(1) or absent(x{run="r\"1"})`,
		`quantile_over_time(0.5, (up)[5m:])`:                                     `quantile_over_time(0.5, (up{run="r\"1"})[5m:])`,
		`1 + time()`:                                                             `1 + time()`,
	} {
		got, err := narrowed(expr, `r"1`)
		require.NoError(t, err, expr)
		require.Equal(t, want, got)
		require.NoError(t, Check(got))
	}
	_, err := narrowed(`sum(info(up))`, "r")
	require.ErrorIs(t, err, errInfo)
}

func TestTimesRelativeToARun(t *testing.T) {
	start := time.Date(2025, 1, 15, 21, 0, 0, 0, time.UTC)
	end := start.Add(time.Hour)
	for text, want := range map[string]time.Time{
		"0s": start, "0": start, "30s": start.Add(30 * time.Second), "1h30m": start.Add(90 * time.Minute), "1d": start.Add(24 * time.Hour),
		"250ms": start.Add(250 * time.Millisecond), "-5m": end.Add(-5 * time.Minute), "-0s": end, "-2h": start.Add(-time.Hour),
		"2025-01-15T21:10:00Z": start.Add(10 * time.Minute), "2025-01-15T22:10:00.5+01:00": start.Add(10*time.Minute + 500*time.Millisecond),
	} {
		at, err := ParseTime(text, start.UnixMilli(), end.UnixMilli())
		require.NoError(t, err, text)
		require.Equal(t, want, time.UnixMilli(at).UTC(), text)
	}
	for _, text := range []string{"", "-", "5", "1.5s", "--5m", "now", "2025-01-15", "5m30", "9999999999y"} {
		_, err := ParseTime(text, 0, 0)
		require.ErrorContains(t, err, "want a duration after the run's start", text)
	}
}
