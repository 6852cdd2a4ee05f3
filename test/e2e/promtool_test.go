package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestPromtool reads downloaded blocks with Prometheus' own tool. The run is
// finished as Kubernetes' preStop hook does it, with the finish command.
func TestPromtool(t *testing.T) {
	t.Parallel()
	const run, series = "promtool", 20
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run, "--finish.exit")
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	end := time.Now().Truncate(time.Second)
	each(end.Add(-4*time.Hour), end, step, func(at time.Time) { sender.Send(scrape("m", series, at)...) })
	sender.Close()
	command := harness.Benchkeep(t, dir, "benchkeep-finish", "finish", "--url="+r.URL)
	if code := command.Wait(); code != 0 {
		t.Fatalf("benchkeep finish exited with code %d", code)
	}
	if code := r.Wait(); code != 0 {
		t.Fatalf("benchkeep exited with code %d", code)
	}
	checkArchived(t, dir, bucket, run, sent(sender))

	download := harness.Sub(t, dir, "download")
	blocks := bucket.Download(t, download)
	listed := listedSamples(t, harness.Promtool(t, dir, "promtool-list", "tsdb", "list", download))
	total := 0
	for _, block := range blocks {
		if got, ok := listed[block.ULID]; !ok || got != int(block.Stats.NumSamples) {
			t.Errorf("promtool lists %d samples in block %s, want %d", got, block.ULID, block.Stats.NumSamples)
		}
		total += listed[block.ULID]
		analyze := harness.Promtool(t, dir, "promtool-analyze-"+block.ULID, "tsdb", "analyze", download, block.ULID)
		if code := analyze.Wait(); code != 0 {
			t.Errorf("promtool tsdb analyze exited with code %d", code)
		}
		if log := analyze.Log(); !strings.Contains(log, "Block ID: "+block.ULID) ||
			!strings.Contains(log, fmt.Sprintf("Total Series: %d\n", series)) {
			t.Errorf("promtool tsdb analyze of block %s does not say %d series", block.ULID, series)
		}
	}
	if want := sent(sender).Samples(); total != want {
		t.Errorf("promtool lists %d samples in all, want %d", total, want)
	}
}

// listedSamples is the number of samples by block, as `promtool tsdb list`
// shows it: by name of the column, for columns come and go.
func listedSamples(t *testing.T, list *harness.Process) map[string]int {
	t.Helper()
	if code := list.Wait(); code != 0 {
		t.Fatalf("promtool tsdb list exited with code %d", code)
	}
	samples := map[string]int{}
	column := -1
	for line := range strings.Lines(list.Log()) {
		// Names have single spaces, columns are wider apart.
		fields := strings.FieldsFunc(strings.ReplaceAll(line, "  ", "\t"), func(r rune) bool { return r == '\t' || r == '\n' })
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
			if fields[i] == "NUM SAMPLES" {
				column = i
			}
		}
		if column < 0 || len(fields) <= column || fields[column] == "NUM SAMPLES" {
			continue
		}
		n, err := strconv.Atoi(fields[column])
		if err != nil {
			t.Fatalf("promtool tsdb list: %v in %q", err, line)
		}
		samples[fields[0]] = n
	}
	return samples
}
