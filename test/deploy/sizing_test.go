package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// manyRuns is the archive that docs/archive.md reckons with.
const manyRuns = 10_000

// BenchmarkArchive measures the figures of docs/archive.md: what a run is in the
// bucket, and what Store and Query need for many runs, each of one block.
//
//	go test -run='^$' -bench=BenchmarkArchive -benchtime=1x .
func BenchmarkArchive(b *testing.B) {
	dir := harness.Dir(b)
	bucket := harness.DirectoryBucket(b, dir)
	archiveRun(b, dir, bucket, "run-00000", 60)
	b.Run("run", func(b *testing.B) {
		run, block := bucket.Manifest(b, "run-00000"), bucket.Blocks(b)[0]
		bytes := map[string]float64{}
		for _, f := range block.Thanos.Files {
			bytes[filepath.Dir(f.RelPath)] += float64(f.SizeBytes)
		}
		b.ReportMetric(float64(run.Series), "series")
		b.ReportMetric(float64(run.Archived), "samples")
		b.ReportMetric(bytes["chunks"]/float64(run.Archived), "chunk-bytes/sample")
		b.ReportMetric(bytes["."]/float64(run.Series), "index-bytes/series")
		b.ReportMetric(float64(len(block.Thanos.Files)+1), "objects") // the manifest
	})
	multiply(b, bucket)
	for _, strategy := range []string{"concurrent", "recursive"} {
		b.Run("store="+strategy, func(b *testing.B) { measureStore(b, bucket, strategy) })
	}
}

// multiply makes many runs of the one in the bucket, each with a block and labels
// of its own. What is big in them is linked, not copied.
func multiply(b *testing.B, bucket harness.Bucket) {
	b.Helper()
	original := bucket.Blocks(b)[0].ULID
	var meta map[string]any
	require.NoError(b, json.Unmarshal([]byte(read(b, filepath.Join(bucket.Dir, original, "meta.json"))), &meta))
	thanos := meta["thanos"].(map[string]any)
	external := maps.Clone(thanos["labels"].(map[string]any))
	for i := 1; i < manyRuns; i++ {
		id := ulid.Make().String()
		to := harness.Sub(b, bucket.Dir, id, "chunks")
		for _, file := range []string{"index", "chunks/000001"} {
			require.NoError(b, os.Link(filepath.Join(bucket.Dir, original, file), filepath.Join(filepath.Dir(to), file)))
		}
		external["run"], external["commit"] = fmt.Sprintf("run-%05d", i), fmt.Sprintf("%040x", i)
		meta["ulid"], thanos["labels"] = id, external
		data, err := json.Marshal(meta)
		require.NoError(b, err)
		harness.WriteFile(b, filepath.Dir(to), "meta.json", string(data))
	}
}

// measureStore starts Store and Query with the manifests' arguments, and counts
// what they ask of the bucket.
func measureStore(b *testing.B, bucket harness.Bucket, strategy string) {
	dir := harness.Dir(b)
	address, grpc, queries := harness.FreeAddress(b), harness.FreeAddress(b), harness.FreeAddress(b)
	containers := archiveContainers(b)
	here := []string{"=/etc/thanos/s3.yaml", "=" + bucket.ConfigFile, "=/data", "=" + dir, "=0.0.0.0:10902", "=" + address,
		"=0.0.0.0:10901", "=" + grpc, "=recursive", "=" + strategy, "--sync-block-duration=3m", "--sync-block-duration=20s"}
	thanos := program(b, ".cache", "bin", "thanos")
	began := time.Now()
	store := startProgram(b, dir, thanos, rewrite(containers["store"].Args, here...))
	requireAnswer(b, "http://"+address+"/-/ready")
	b.ReportMetric(time.Since(began).Seconds(), "s-to-ready")
	first := requests(b, address)
	syncs := func(n float64) {
		harness.Until(b, "the bucket to be listed again", func() error {
			if now := sum(b, address, "thanos_blocks_meta_syncs_total"); now < n {
				return fmt.Errorf("%g times", now)
			}
			return nil
		})
	}
	done := sum(b, address, "thanos_blocks_meta_syncs_total")
	syncs(done + 1)
	listed := requests(b, address)
	syncs(done + 2)
	b.ReportMetric(first, "requests/start")
	b.ReportMetric(requests(b, address)-listed, "requests/sync")

	query := startProgram(b, dir, thanos, []string{"query", "--http-address=" + queries, "--grpc-address=" + harness.FreeAddress(b), "--endpoint=" + grpc})
	requireAnswer(b, "http://"+queries+"/-/ready")
	s := stack{url: "http://" + queries}
	measure := func(name, expression string) {
		// Between two listings of the bucket all requests are the query's.
		syncs(sum(b, address, "thanos_blocks_meta_syncs_total") + 1)
		before, began := requests(b, address), time.Now()
		data, err := ask[struct{ Result []result }](s, "/api/v1/query", url.Values{"query": {expression}})
		require.NoError(b, err)
		require.NotEmpty(b, data.Result, expression)
		b.ReportMetric(requests(b, address)-before, "requests/"+name)
		b.ReportMetric(time.Since(began).Seconds(), "s/"+name)
	}
	if strategy == "recursive" {
		measure("panel", `sum(rate(prometheus_http_requests_total{run="run-00077"}[1h]))`)
		measure("panel-again", `sum(rate(prometheus_http_requests_total{run="run-00077"}[2h]))`)
		measure("hundred-runs", `min by (run) (min_over_time(timestamp(up{run=~"run-001.."})[30d:1m]))`)
		b.ReportMetric(resident(b, query), "MB-query")
	}
	b.ReportMetric(resident(b, store), "MB-store")
}

// requests are the operations that a program has asked of the bucket so far.
func requests(b *testing.B, address string) float64 {
	b.Helper()
	return sum(b, address, "thanos_objstore_bucket_operations_total")
}

// sum adds up the series of a metric.
func sum(b *testing.B, address, name string) (total float64) {
	b.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	require.NoError(b, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, name) {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
			require.NoError(b, err)
			total += value
		}
	}
	return total
}

// resident is the most memory that a program has had, in megabytes.
func resident(b *testing.B, r *running) float64 {
	b.Helper()
	status := read(b, fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	kib, err := strconv.ParseFloat(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(status)[1], 64)
	require.NoError(b, err)
	return kib * 1024 / 1e6
}
