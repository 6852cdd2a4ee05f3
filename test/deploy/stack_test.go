package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A stack is the archive as the manifests describe it, over a bucket.
type stack struct {
	dir    string
	bucket harness.Bucket
	// url is where Grafana asks: the Query Frontend.
	url string
	// addresses are where the programs show their own metrics.
	addresses []string
}

// startStack runs the containers' programs with the very arguments of the
// manifests, but for paths, addresses and how often the bucket is listed, and
// asks every probe.
func startStack(t *testing.T, dir string, b harness.Bucket) stack {
	t.Helper()
	containers := archiveContainers(t)
	grpc := harness.FreeAddress(t)
	query, frontend := harness.FreeAddress(t), harness.FreeAddress(t)
	var addresses []string
	for _, c := range []struct{ name, http, grpc string }{
		{"store", harness.FreeAddress(t), grpc},
		{"query", query, harness.FreeAddress(t)},
		{"query-frontend", frontend, ""},
		{"bucket-web", harness.FreeAddress(t), ""},
	} {
		container := containers[c.name]
		startProgram(t, dir, program(t, ".cache", "bin", "thanos"), rewrite(container.Args,
			"=/etc/thanos/s3.yaml", "="+b.ConfigFile, "=/data", "="+filepath.Join(dir, c.name),
			"=0.0.0.0:10902", "="+c.http, "=0.0.0.0:10901", "="+c.grpc,
			"dns+store:10901", grpc, "query:10902", query,
			"--sync-block-duration=3m", "--sync-block-duration=1s"))
		for _, probe := range []string{container.ReadinessProbe.HTTPGet.Path, container.LivenessProbe.HTTPGet.Path} {
			requireAnswer(t, "http://"+c.http+probe)
		}
		addresses = append(addresses, c.http)
	}
	return stack{dir: dir, bucket: b, url: "http://" + frontend, addresses: addresses}
}

// A result is one series of an answer.
type result struct {
	Metric map[string]string
	Value  [2]any
	Values [][2]any
}

// ask gives what the API answers to a request, as data of the type asked for.
func ask[T any](s stack, path string, parameters url.Values) (data T, err error) {
	resp, err := http.PostForm(s.url+path, parameters)
	if strings.Contains(path, "/label/") {
		resp, err = http.Get(s.url + path + "?" + parameters.Encode())
	}
	if err != nil {
		return data, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return data, err
	}
	if resp.StatusCode != http.StatusOK {
		return data, fmt.Errorf("%s of %v answered %d: %s", path, parameters, resp.StatusCode, body)
	}
	answer := struct{ Data *T }{&data}
	return data, json.Unmarshal(body, &answer)
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// instant answers an expression at a time.
func (s stack) instant(t *testing.T, expression string, at time.Time) []result {
	t.Helper()
	data, err := ask[struct{ Result []result }](s, "/api/v1/query", url.Values{"query": {expression}, "time": {unix(at)}})
	require.NoError(t, err)
	return data.Result
}

// over answers an expression over a range.
func (s stack) over(t *testing.T, expression string, from, to time.Time, step time.Duration) []result {
	t.Helper()
	data, err := ask[struct{ Result []result }](s, "/api/v1/query_range", url.Values{
		"query": {expression}, "start": {unix(from)}, "end": {unix(to)}, "step": {fmt.Sprint(step.Seconds())}})
	require.NoError(t, err)
	return data.Result
}

// values are those of a label, of the series that match.
func (s stack) values(t *testing.T, label, match string, from, to time.Time) []string {
	t.Helper()
	parameters := url.Values{"start": {unix(from)}, "end": {unix(to)}}
	if match != "" {
		parameters.Set("match[]", match)
	}
	data, err := ask[[]string](s, "/api/v1/label/"+label+"/values", parameters)
	require.NoError(t, err)
	return data
}

// waitRuns waits until each of the runs can be asked for: Query learns every few
// seconds only of what runs its Store has.
func (s stack) waitRuns(t *testing.T, runs ...string) {
	t.Helper()
	for _, run := range runs {
		harness.Until(t, "the archive to show "+run, func() error {
			data, err := ask[struct{ Result []result }](s, "/api/v1/query", url.Values{"query": {`last_over_time(up{run="` + run + `"}[24h])`}})
			if err == nil && len(data.Result) == 0 {
				err = errors.New("no answer")
			}
			return err
		})
	}
}

// archiveRun archives a run that a Prometheus has scraped, as many times as
// asked for.
func archiveRun(t testing.TB, dir string, b harness.Bucket, run string, scrapes int) {
	t.Helper()
	dir = harness.Sub(t, dir, run)
	receiver := harness.StartReceiver(t, dir, harness.ReceiverOptions{Bucket: b, Run: run, Args: []string{
		"--run.label=branch=main", "--run.label=commit=0123abc", "--run.label=pipeline=nightly"}})
	target := harness.StartTarget(t)
	prometheus := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: true, Message: harness.RemoteWriteV2, Receiver: receiver, Target: target, Queue: "batch_send_deadline: 1s"})
	target.WaitScrapes(t, scrapes)
	harness.Until(t, "written samples in the receiver's own metrics", func() error {
		written, err := receiver.Metric("benchkeep_samples_written_total")
		if err == nil && written == 0 {
			err = errors.New("none")
		}
		return err
	})
	prometheus.Signal(syscall.SIGTERM)
	require.Zero(t, prometheus.Wait())
	receiver.Signal(syscall.SIGTERM)
	require.Zero(t, receiver.Wait())
}

// archiveLongRun archives a run of 14 hours up to now, one sample a minute:
// enough blocks for a compactor to join.
func archiveLongRun(t *testing.T, dir string, b harness.Bucket, run string) {
	t.Helper()
	receiver := harness.StartReceiver(t, harness.Sub(t, dir, run), harness.ReceiverOptions{Bucket: b, Run: run})
	sender := harness.NewSender(t, receiver, harness.RemoteWriteV1)
	end := time.Now()
	for at := end.Add(-14 * time.Hour); at.Before(end); at = at.Add(time.Minute) {
		sender.Send(harness.TimeSeries{
			Labels:  labels.FromStrings("__name__", "up", "job", "long", "instance", "a"),
			Samples: []harness.Sample{{T: at.UnixMilli(), V: float64(at.Unix() % 97)}},
		})
	}
	sender.Close()
	receiver.Signal(syscall.SIGTERM)
	require.Zero(t, receiver.Wait())
}
