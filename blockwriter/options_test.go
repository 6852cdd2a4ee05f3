package blockwriter

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// What is wrong with an option is said with the flag to change, and leaves the
// storage path free for the next try.
func TestInvalidOptionsNameTheirFlag(t *testing.T) {
	label := func(name, value string) func(*Options) {
		return func(o *Options) { o.Labels = map[string]string{"good": "1", name: value} }
	}
	for name, tc := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"short blocks":          {func(o *Options) { o.BlockDuration = 999 * time.Millisecond }, "--block.duration=999ms: want at least 1s"},
		"negative blocks":       {func(o *Options) { o.BlockDuration = -time.Hour }, "--block.duration=-1h0m0s: want"},
		"negative window":       {func(o *Options) { o.OutOfOrderWindow = -1 }, "--ooo.window=-1ns: want at least 1ms"},
		"tiny window":           {func(o *Options) { o.OutOfOrderWindow = time.Microsecond }, "--ooo.window=1µs: want"},
		"negative future":       {func(o *Options) { o.FutureLimit = -time.Minute }, "--limit.future=-1m0s: want"},
		"negative finish":       {func(o *Options) { o.FinishTimeout = -time.Second }, "--finish.timeout=-1s: want"},
		"negative series limit": {func(o *Options) { o.SeriesLimit = -1 }, "--limit.series=-1: want 0 (no limit) or more"},
		"run id with a slash":   {func(o *Options) { o.Run = "a/b" }, `--run.id: run id "a/b": want`},
		"run id that climbs":    {func(o *Options) { o.Run = "../x" }, `--run.id: run id "../x": want`},
		"run id too long":       {func(o *Options) { o.Run = strings.Repeat("x", 129) }, "--run.id: run id"},
		"label run":             {label("run", "x"), `--run.label: "run" is set by benchkeep itself`},
		"label receiver":        {label("receiver", "x"), `--run.label: "receiver" is set by benchkeep itself`},
		"label of the system":   {label("__name__", "x"), `--run.label: "__name__" cannot be a label name`},
		"label of two lines":    {label("__", "x"), `--run.label: "__" cannot be a label name`},
		"label without a name":  {label("", "x"), `--run.label: "" cannot be a label name`},
		"label with a dash":     {label("build-id", "x"), `--run.label: "build-id" cannot be a label name`},
		"label with a digit":    {label("1st", "x"), `--run.label: "1st" cannot be a label name`},
		"label of UTF-8":        {label("größe", "x"), `cannot be a label name`},
		"label without a value": {label("branch", ""), `--run.label: label "branch" has an empty value`},
		"label not UTF-8":       {label("branch", "a\xff"), `--run.label: the value of label "branch" is not UTF-8`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bad := w.opts
			tc.change(&bad)
			_, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), bad)
			require.ErrorContains(t, err, tc.says)
			w.finish(w.open())
		})
	}
}

func TestValidOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"shortest of all": func(o *Options) {
			o.BlockDuration, o.OutOfOrderWindow, o.FutureLimit, o.FinishTimeout = time.Second, time.Millisecond, time.Millisecond, time.Millisecond
		},
		"longest run id": func(o *Options) { o.Run = strings.Repeat("x", 128) },
		"unusual labels": func(o *Options) {
			o.Labels = map[string]string{"_": "x", "_a": "é", "A1": "a\nb", "Run": "x", "receivers": "y", "exported_run": "z"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(&w.opts)
			r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), w.opts)
			require.NoError(t, err)
			require.NoError(t, r.Close())
		})
	}
}

// Zero means a default: those of the command line, but for the series.
func TestDefaultsOfOptions(t *testing.T) {
	w := newWorld(t)
	r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), Options{Dir: w.opts.Dir, Bucket: w.bucket})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	require.Equal(t, 2*time.Hour, r.opts.BlockDuration)
	require.Equal(t, 24*time.Hour, r.opts.OutOfOrderWindow)
	require.Equal(t, 10*time.Minute, r.opts.FutureLimit)
	require.Equal(t, 10*time.Minute, r.opts.FinishTimeout)
	require.Zero(t, r.opts.SeriesLimit)
	require.NotEmpty(t, r.opts.Drain(t.Context()))

	st := r.Status()
	_, err = ulid.ParseStrict(st.Run)
	require.NoError(t, err, "a run without a name gets a ULID")
	_, err = ulid.ParseStrict(st.Part)
	require.NoError(t, err)
	require.NotEqual(t, st.Run, st.Part)
	require.Equal(t, map[string]string{"run": st.Run}, st.Labels)
	require.Equal(t, archive.ManifestObject(st.Run, st.Part), st.Manifest)
}

// A run keeps the labels it began with, and a caller keeps its map.
func TestLabelsBelongToTheRunFromItsStart(t *testing.T) {
	w := newWorld(t)
	given := map[string]string{"branch": "main"}
	w.opts.Labels = given
	r := w.open()
	write(t, r, one("up", at(base, 1)))
	require.NoError(t, r.Close())
	require.Equal(t, map[string]string{"branch": "main"}, given)

	w.opts.Labels = map[string]string{"branch": "dev", "commit": "abc"}
	r = w.open()
	require.Equal(t, map[string]string{"run": "run-1", "branch": "main"}, r.Status().Labels)
	w.finish(r)
	require.Equal(t, map[string]string{"run": "run-1", "branch": "main"}, w.blocks()[0].Thanos.Labels)
}
