package query

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
)

func TestLocalInstants(t *testing.T) {
	l := twoBlocks(t).local()
	for expr, want := range map[string]string{
		`work_total{job="a"}`:                         "vector\n" + `{__name__="work_total", branch="main", job="a", run="run-1"} 239:14340`,
		`rate(work_total{job="a"}[5m])`:               "vector\n" + `{branch="main", job="a", run="run-1"} 239:1`,
		`resets(work_total[4h])`:                      "vector\n" + `{branch="main", job="a", run="run-1"} 239:0` + "\n" + `{branch="main", job="b", run="run-1"} 239:2`,
		`sum by (branch) (work_total{branch="main"})`: "vector\n" + `{branch="main"} 239:14379`,
		`work_total{branch=~"m.*",job!="b",nope=""}`:  "vector\n" + `{__name__="work_total", branch="main", job="a", run="run-1"} 239:14340`,
		`work_total{branch!="main"}`:                  "vector\n",
		`work_total{run="another"}`:                   "vector\n",
		`count({run="run-1"})`:                        "vector\n{} 239:4",
		`count({branch="main",job=""})`:               "vector\n{} 239:2",
		`late offset 59m`:                             "vector\n" + `{__name__="late", branch="main", run="run-1"} 239:180`,
		`late @ 0`:                                    "vector\n",
		`latency`:                                     "vector\n" + `{__name__="latency", branch="main", run="run-1"} 239:count=2163,sum=4416`,
		`work_total{job="a"}[2m]`:                     "matrix\n" + `{__name__="work_total", branch="main", job="a", run="run-1"} 238:14280 239:14340`,
		`absent(nothing{job="x"})`:                    "vector\n" + `{job="x", run="run-1"} 239:1`,
		`scalar(late) * 2`:                            "scalar\n{} 239:478",
		`"words"`:                                     "string\nwords",
		`sort_by_label(work_total, "job")`:            "vector\n" + `{__name__="work_total", branch="main", job="a", run="run-1"} 239:14340` + "\n" + `{__name__="work_total", branch="main", job="b", run="run-1"} 239:39`,
	} {
		require.Equal(t, want, ask(t, l, expr, base+4*hour-minute), expr)
	}
}

func TestLocalRanges(t *testing.T) {
	l := twoBlocks(t).local()
	r, err := l.Range(t.Context(), `sum(work_total) by (job)`, base+2*hour-minute, base+2*hour+minute, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "matrix\n"+`{job="a"} 119:7140 120:7200 121:7260`+"\n"+`{job="b"} 119:19 120:20 121:21`, brief(r), "across the blocks")
	r, err = l.Range(t.Context(), `late`, base, base+4*hour, 30*time.Minute)
	require.NoError(t, err)
	require.Equal(t, "matrix\n"+`{__name__="late", branch="main", run="run-1"} 180:180 210:210 240:239`, brief(r))
	r, err = l.Range(t.Context(), `latency`, base+minute, base+2*minute, time.Minute)
	require.NoError(t, err)
	require.Equal(t, &Histogram{Count: 21, Sum: 36.8, Buckets: r.Series[0].Points[0].H.Buckets}, r.Series[0].Points[0].H)
	require.Contains(t, r.Series[0].Points[0].H.Buckets, Bucket{Boundaries: 3, Lower: -0.001, Upper: 0.001, Count: 3})
	for _, bad := range []struct {
		from, to int64
		step     time.Duration
	}{{2, 1, time.Second}, {1, 2, 0}, {1, 2, time.Microsecond}} {
		_, err := l.Range(t.Context(), `late`, bad.from, bad.to, bad.step)
		require.ErrorContains(t, err, "want a start that is not after the end")
	}
}

func TestLocalMetricNames(t *testing.T) {
	names, err := twoBlocks(t).local().MetricNames(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"late", "latency", "work_total"}, names)
}

// TestPartsAreMerged has two parts at the same time, whose label sorts between
// those of the series.
func TestPartsAreMerged(t *testing.T) {
	w := newWorld(t)
	for shard, factor := range map[string]float64{"0": 1, "1": 100} {
		w.part(map[string]string{"k": shard},
			sent{labels: []string{"__name__", "m", "a", "x", "z", "1"}, from: base, to: base + hour, value: linear(factor)},
			sent{labels: []string{"__name__", "m", "a", "x", "z", "2"}, from: base, to: base + 3*hour, value: linear(2 * factor)},
			sent{labels: []string{"__name__", "m", "b", "x"}, from: base, to: base + hour, value: linear(3 * factor)})
	}
	l := w.local()
	require.Equal(t, "vector\n"+`{__name__="m", a="x", k="0", run="run-1", z="1"} 9:9
{__name__="m", a="x", k="0", run="run-1", z="2"} 9:18
{__name__="m", a="x", k="1", run="run-1", z="1"} 9:900
{__name__="m", a="x", k="1", run="run-1", z="2"} 9:1800
{__name__="m", b="x", k="0", run="run-1"} 9:27
{__name__="m", b="x", k="1", run="run-1"} 9:2700`, ask(t, l, `m`, base+9*minute))
	require.Equal(t, "vector\n"+`{k="1"} 9:5400`, ask(t, l, `sum by (k) (m{k="1"})`, base+9*minute))
	require.Equal(t, "vector\n"+`{k="0"} 179:358`+"\n"+`{k="1"} 179:35800`, ask(t, l, `sum by (k) (max_over_time(m{z="2"}[2h]))`, base+179*minute))
}

// A block of another uploader's may have series with a label that is external
// as well.
func TestExternalLabelsComeFirst(t *testing.T) {
	w := twoBlocks(t)
	for _, b := range w.run().Blocks {
		path := filepath.Join(w.dir, b.ULID.String(), archive.MetaFile)
		meta, err := os.ReadFile(path)
		require.NoError(t, err)
		changed := strings.Replace(string(meta), `"branch": "main"`, `"job": "external"`, 1)
		require.NotEqual(t, string(meta), changed)
		require.NoError(t, os.WriteFile(path, []byte(changed), 0o644))
	}
	l := w.local()
	at := base + 3*hour
	require.Equal(t, "vector\n"+`{job="external"} 180:4`, ask(t, l, `count by (job) ({job="external"})`, at))
	require.Equal(t, "vector\n", ask(t, l, `work_total{job="a"}`, at))
	require.NoError(t, l.Read(t.Context(), base, at, func(q storage.Querier) error {
		values, _, err := q.LabelValues(t.Context(), "job", nil)
		require.NoError(t, err)
		require.Equal(t, []string{"external"}, values)
		names, _, err := q.LabelNames(t.Context(), nil, labels.MustNewMatcher(labels.MatchEqual, "job", "external"))
		require.NoError(t, err)
		require.Equal(t, []string{"__name__", "job", "run"}, names)
		return nil
	}))
}

func TestSyntaxErrors(t *testing.T) {
	l := twoBlocks(t).local()
	remote, err := NewRemote("http://127.0.0.1:1", &archive.Run{ID: runID})
	require.NoError(t, err)
	for _, s := range []Source{l, remote} {
		_, err := s.Instant(t.Context(), "sum(rate(work_total))", base)
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax)
		require.Equal(t, 9, syntax.At)
		_, err = s.Range(t.Context(), "{", base, base, time.Second)
		require.ErrorAs(t, err, &syntax)
	}
	_, err = l.Instant(t.Context(), `work_total + on (branch) work_total`, base)
	require.ErrorContains(t, err, "many-to-many")
}

func TestQueryThatIsTooLarge(t *testing.T) {
	l := twoBlocks(t).local()
	l.engine = newEngine(10)
	_, err := l.Instant(t.Context(), `work_total[1h]`, base+hour)
	require.ErrorContains(t, err, "--query.url")
}

func TestRunsWithoutSamples(t *testing.T) {
	w := twoBlocks(t)
	for name, c := range map[string]struct {
		change func(*archive.Run)
		want   string
	}{
		"downsampled": {func(r *archive.Run) {
			r.Blocks[0].Resolution, r.Blocks[1].Resolution = 300_000, 3_600_000
		}, "has no samples any more, only what Thanos has made of them, one value per 1h and 5m: ask a Thanos Query with --query.url"},
		"running": {func(r *archive.Run) {
			r.Blocks, r.Parts[0].Said, r.Parts[0].Heartbeat = nil, archive.StateRunning, time.Now()
		}, "run run-1 has no blocks yet"},
		"empty": {func(r *archive.Run) { r.Blocks = nil }, "run run-1 has no samples"},
	} {
		t.Run(name, func(t *testing.T) {
			run := w.run()
			c.change(run)
			_, err := w.open(run)
			var nothing *NoSamplesError
			require.ErrorAs(t, err, &nothing)
			require.ErrorContains(t, err, c.want)
		})
	}
	block := w.run().Blocks
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, block[1].ULID.String())))
	l := w.local()
	r, err := l.Instant(t.Context(), `work_total{job="a"}`, base+hour)
	require.NoError(t, err)
	require.Equal(t, []string{"1 of the run's blocks are not in the bucket: their samples are missing"}, r.Warnings)
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, block[0].ULID.String())))
	_, err = w.open(w.run())
	require.ErrorContains(t, err, "has none of its blocks in the bucket: 2 missing")
}

// TestDamageFoundByAQuery damages a block that is open, under the eyes of several
// queries. It is fetched again, once.
func TestDamageFoundByAQuery(t *testing.T) {
	w := twoBlocks(t)
	l := w.local()
	const expr = `sum(sum_over_time(work_total[5h]))`
	want := ask(t, l, expr, base+4*hour)
	opened := w.bucket.gets.Load()
	damage := func() {
		for _, path := range w.files("chunks", "000001") {
			info, err := os.Stat(path)
			require.NoError(t, err)
			flip(t, path, info.Size()-10) // in the last series
		}
	}
	damage()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			r, err := l.Instant(t.Context(), expr, base+4*hour)
			if err != nil || brief(r) != want {
				t.Errorf("want %s, got %v, %v", want, r, err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 6, w.bucket.gets.Load()-opened, "both blocks, once")

	damage()
	_, err := l.Instant(t.Context(), expr, base+4*hour)
	var ofBlock *blockcache.BlockError
	require.ErrorAs(t, err, &ofBlock)
	require.ErrorContains(t, err, "`benchkeep runs verify run-1`")
	require.EqualValues(t, 6, w.bucket.gets.Load()-opened, "and not for ever")
}

// TestNoDamageGoesUnnoticed flips bytes all over a block in the cache: an answer
// is the right one.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	w := twoBlocks(t)
	run := w.run()
	run.Blocks = run.Blocks[:1]
	const expr = `{__name__=~".+"}[2h]`
	at := base + 2*hour - minute
	l, err := w.open(run)
	require.NoError(t, err)
	want := ask(t, l, expr, at)
	names, err := l.MetricNames(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, rel := range [][]string{{"index"}, {"chunks", "000001"}} {
		info, err := os.Stat(w.files(rel...)[0])
		require.NoError(t, err)
		for place := int64(0); place < info.Size(); place += 11 {
			flip(t, w.files(rel...)[0], place)
			l, err := w.open(run)
			require.NoError(t, err)
			require.Equal(t, want, ask(t, l, expr, at), "byte %d of %s", place, rel)
			got, err := l.MetricNames(t.Context())
			require.NoError(t, err)
			require.Equal(t, names, got, "byte %d of %s", place, rel)
			require.NoError(t, errors.Join(l.Close(), os.RemoveAll(w.cache)))
			l, err = w.open(run)
			require.NoError(t, errors.Join(err, l.Close()))
		}
	}
}
