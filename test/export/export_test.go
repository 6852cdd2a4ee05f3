package export

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestExport exports a run in every way, and reads back equal samples.
func TestExport(t *testing.T) {
	dir := harness.Dir(t)
	bucket := archived(t, dir)
	want := bucket.Samples(t, dir)
	if len(want.Where("shard", "scraped")) == 0 || len(want.Where("shard", "sent")) == 0 {
		t.Fatalf("the run has %d series, and not of both shards", len(want))
	}
	for name, test := range map[string]func(*testing.T, string, harness.Bucket, harness.Set){
		"parquet": parquetFile, "csv": csvFile, "openmetrics": openMetrics, "blocks": blocks, "selection": selection,
	} {
		t.Run(name, func(t *testing.T) { test(t, harness.Sub(t, dir, name), bucket, want) })
	}
}

func parquetFile(t *testing.T, dir string, b harness.Bucket, want harness.Set) {
	path := filepath.Join(dir, "samples.parquet")
	benchkeep(t, dir, "export", b, "-o", "parquet", "--output-file="+path)
	check(t, want, readParquet(t, path))
}

func csvFile(t *testing.T, dir string, b harness.Bucket, want harness.Set) {
	path := filepath.Join(dir, "samples.csv")
	benchkeep(t, dir, "export", b, "--output-file="+path)
	check(t, want, readCSV(t, path))
}

// A part of the series, and of the time.
func selection(t *testing.T, dir string, b harness.Bucket, want harness.Set) {
	path := filepath.Join(dir, "samples.csv")
	recent := time.Now().Add(-time.Hour)
	benchkeep(t, dir, "export", b, "--output-file="+path, "--from="+recent.UTC().Format(time.RFC3339),
		`--match={__name__=~"sent.*"}`, `--match=sent_int`, `--match={job="target",shard="scraped"}`, `--match={shard="none"}`)
	part := harness.Set{}
	for _, series := range want {
		for _, p := range series.Points {
			ofOne := strings.HasPrefix(series.Labels.Get("__name__"), "sent") || series.Labels.Get("job") == "target"
			if ofOne && p.T >= recent.UnixMilli() {
				part.Add(series.Labels, p)
			}
		}
	}
	check(t, part, readCSV(t, path))
}

// openMetrics has promtool make blocks of the text.
func openMetrics(t *testing.T, dir string, b harness.Bucket, want harness.Set) {
	path, tsdb := filepath.Join(dir, "samples.txt"), filepath.Join(dir, "tsdb")
	log := benchkeep(t, dir, "export", b, "-o", "openmetrics", "--output-file="+path)
	want, histograms, stale := floats(want)
	for _, told := range []string{fmt.Sprintf("left out: %d native histograms", histograms), fmt.Sprintf("left out: %d staleness markers", stale)} {
		if histograms == 0 || stale == 0 || !strings.Contains(log, told) {
			t.Errorf("it does not tell %q:\n%s", told, log)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"# TYPE target_requests counter\n# HELP target_requests Requests served.\n", "# TYPE target_load gauge\n# HELP target_load Load.\n",
		"# TYPE target_duration_seconds histogram\n", "# TYPE \"sent.räder\" unknown\n",
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("there is no %q", line)
		}
	}
	p := harness.Promtool(t, dir, "promtool", "tsdb", "create-blocks-from", "openmetrics", path, tsdb)
	if code := p.Wait(); code != 0 {
		t.Fatalf("promtool exited with code %d", code)
	}
	harness.Sub(t, tsdb, "wal") // the harness reads no TSDB without one
	check(t, want, harness.ReadTSDB(t, dir, tsdb))
}

// blocks starts a Prometheus as the command says, asks it for everything, and
// reads what it leaves.
func blocks(t *testing.T, dir string, b harness.Bucket, want harness.Set) {
	folder := filepath.Join(dir, "the blocks")
	log := benchkeep(t, dir, "export", b, "--block-dir="+folder)
	benchkeep(t, dir, "export-again", b, "--block-dir="+folder)
	command := regexp.MustCompile(`(?m)^  prometheus (.*)$`).FindStringSubmatch(log)
	if command == nil {
		t.Fatalf("it prints no command:\n%s", log)
	}
	address := harness.FreeAddress(t)
	program := filepath.Join(harness.Root(t), ".cache", "bin", "prometheus")
	p := exec.Command("sh", "-c", "exec '"+program+"' "+command[1]+" --web.listen-address="+address)
	out, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.Dir, p.Stdout, p.Stderr = dir, out, out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	harness.Until(t, "Prometheus to be ready", func() error {
		_, err := get("http://" + address + "/-/ready")
		return err
	})
	check(t, internal(want).AsQueried(), queried(t, address))
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("Prometheus: %v", err)
	}
	check(t, internal(want), harness.ReadTSDB(t, dir, folder))
}

func get(url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answer %d: %s", resp.StatusCode, body)
	}
	return body, err
}

// queried is everything that a Prometheus has, as its API shows it.
func queried(t *testing.T, address string) harness.Set {
	t.Helper()
	parameters := url.Values{"query": {fmt.Sprintf(`{__name__=~".+"}[%dh]`, 2*int(age.Hours()))}, "time": {strconv.FormatInt(time.Now().Unix()+1, 10)}}
	body, err := get("http://" + address + "/api/v1/query?" + parameters.Encode())
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric     map[string]string
				Values     [][2]json.RawMessage
				Histograms [][2]json.RawMessage
			}
		}
	}
	decode(t, body, &answer)
	set := harness.Set{}
	for _, series := range answer.Data.Result {
		l := labels.FromMap(series.Metric)
		for _, v := range series.Values {
			var text string
			decode(t, v[1], &text)
			set.Add(l, harness.FloatPoint(millis(t, v[0]), number(t, text)))
		}
		for _, h := range series.Histograms {
			var text struct{ Count, Sum string }
			decode(t, h[1], &text)
			brief := fmt.Sprintf("histogram count=%g sum=%g", number(t, text.Count), number(t, text.Sum))
			set.Add(l, harness.Point{T: millis(t, h[0]), Value: brief, Brief: brief})
		}
	}
	return set
}

func decode(t *testing.T, raw []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func millis(t *testing.T, raw []byte) int64 {
	t.Helper()
	return int64(number(t, string(raw))*1000 + 0.5)
}
