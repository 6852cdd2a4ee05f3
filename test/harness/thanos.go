package harness

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// A Thanos is a running Thanos Store Gateway over a bucket and a Thanos Query
// in front of it.
type Thanos struct {
	t   testing.TB
	url string
}

// StartThanos starts Store and Query and waits until Query sees the store.
func StartThanos(t testing.TB, dir string, b Bucket) *Thanos {
	t.Helper()
	storeHTTP, storeGRPC := FreeAddress(t), FreeAddress(t)
	store := start(t, dir, "thanos-store", tool(t, "thanos"), nil, "store",
		"--objstore.config-file="+b.ConfigFile,
		"--data-dir="+filepath.Join(dir, "thanos-store-data"),
		"--http-address="+storeHTTP,
		"--grpc-address="+storeGRPC,
		"--consistency-delay=0s",
		"--sync-block-duration=1s")
	store.waitReady("http://" + storeHTTP + "/-/ready")

	queryHTTP := FreeAddress(t)
	query := start(t, dir, "thanos-query", tool(t, "thanos"), nil, "query",
		"--http-address="+queryHTTP,
		"--grpc-address="+FreeAddress(t),
		"--endpoint="+storeGRPC)
	query.waitReady("http://" + queryHTTP + "/-/ready")

	q := &Thanos{t: t, url: "http://" + queryHTTP}
	Until(t, "query to see the store", func() error {
		var answer struct {
			Data map[string][]struct{ LastError any }
		}
		if err := getJSON(q.url+"/api/v1/stores", &answer); err != nil {
			return err
		}
		if stores := answer.Data["store"]; len(stores) != 1 || stores[0].LastError != nil {
			return fmt.Errorf("stores: %v", answer.Data)
		}
		return nil
	})
	return q
}

type queryResult struct {
	Data struct {
		Result []struct {
			Metric     map[string]string
			Value      [2]any
			Values     [][2]any
			Histograms [][2]json.RawMessage
		}
	}
}

// Series reads the raw samples of a range selector, as of now.
func (q *Thanos) Series(selector string) Set {
	q.t.Helper()
	set := Set{}
	for _, series := range q.query(selector).Data.Result {
		l := labels.FromMap(series.Metric)
		for _, v := range series.Values {
			set.Add(l, FloatPoint(q.millis(v[0]), q.float(v[1])))
		}
		for _, h := range series.Histograms {
			var at float64
			var histogram struct{ Count, Sum string }
			q.decode(h[0], &at)
			q.decode(h[1], &histogram)
			brief := histogramBrief(q.float(histogram.Count), q.float(histogram.Sum))
			set.Add(l, Point{T: q.millis(at), Value: brief, Brief: brief})
		}
	}
	set.Sort()
	return set
}

// Scalar is the value of a PromQL expression that gives one series.
func (q *Thanos) Scalar(expression string) float64 {
	q.t.Helper()
	result := q.query(expression).Data.Result
	if len(result) != 1 {
		q.t.Fatalf("%s gives %d series, want one", expression, len(result))
	}
	return q.float(result[0].Value[1])
}

// query asks strictly: a store that cannot answer is an error, and nothing is
// deduplicated that a reader of the raw data would see twice.
func (q *Thanos) query(expression string) queryResult {
	q.t.Helper()
	parameters := url.Values{
		"query":            {expression},
		"time":             {strconv.FormatInt(time.Now().Unix()+1, 10)},
		"partial_response": {"false"},
		"dedup":            {"false"},
	}
	var result queryResult
	if err := getJSON(q.url+"/api/v1/query?"+parameters.Encode(), &result); err != nil {
		q.t.Fatal(err)
	}
	return result
}

func (q *Thanos) decode(raw json.RawMessage, v any) {
	q.t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		q.t.Fatalf("decode %s: %v", raw, err)
	}
}

func (q *Thanos) float(v any) float64 {
	q.t.Helper()
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		q.t.Fatalf("value of a query: %v", err)
	}
	return f
}

func (q *Thanos) millis(v any) int64 {
	q.t.Helper()
	seconds, ok := v.(float64)
	if !ok {
		q.t.Fatalf("time of a query: %v", v)
	}
	return int64(math.Round(seconds * 1000))
}

// ThanosTool runs a Thanos command over a bucket to its end.
func ThanosTool(t testing.TB, dir, name string, b Bucket, args ...string) *Process {
	t.Helper()
	p := start(t, dir, name, tool(t, "thanos"), nil, append(args, "--objstore.config-file="+b.ConfigFile)...)
	p.Wait()
	return p
}

// Promtool runs a promtool command to its end.
func Promtool(t testing.TB, dir, name string, args ...string) *Process {
	t.Helper()
	p := start(t, dir, name, tool(t, "promtool"), nil, args...)
	p.Wait()
	return p
}
