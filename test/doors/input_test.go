package doors

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A wrongInput is a request that no good sender makes.
type wrongInput struct {
	name   string
	method string // empty is POST
	header map[string]string
	body   []byte
	// chunked sends the body without telling its length.
	chunked bool
	want    int
}

const inputLimit = 4 * mib

// wrongInputs are requests of which nothing may be stored.
func wrongInputs(now int64) []wrongInput {
	good := snap(seriesV1("bad", sample(now, 1)))
	all := wrongBodies(now)
	for i := range all {
		if all[i].header == nil {
			all[i].header = headersV1()
		}
	}
	headers := []wrongInput{
		{name: "GET", method: http.MethodGet, header: headersV1(), want: 405},
		{name: "PUT", method: http.MethodPut, header: headersV1(), body: good, want: 405},
		{name: "DELETE", method: http.MethodDelete, header: headersV1(), want: 405},
		{name: "no method of HTTP's", method: "BREW", header: headersV1(), want: 405},
		{name: "text", header: with(headersV1(), "Content-Type", "text/plain"), body: good, want: 415},
		{name: "JSON", header: with(headersV1(), "Content-Type", "application/json"), body: []byte("{}"), want: 415},
		{name: "no media type", header: with(headersV1(), "Content-Type", ";;;=,"), body: good, want: 415},
		{name: "unknown message", header: with(headersV1(), "Content-Type", "application/x-protobuf;proto=io.prometheus.write.v9.Request"), body: good, want: 415},
		{name: "gzip", header: with(headersV1(), "Content-Encoding", "gzip"), body: gzipped(64 * mib), want: 415},
		{name: "gzip that says snappy", header: headersV1(), body: gzipped(64 * mib), want: 400},
		{name: "zstd", header: with(headersV1(), "Content-Encoding", "zstd"), body: good, want: 415},
		{name: "two encodings", header: with(headersV1(), "Content-Encoding", "snappy, gzip"), body: good, want: 415},
		{name: "headers of 2 MiB", header: with(headersV1(), "User-Agent", strings.Repeat("a", 2*mib)), body: good, want: 431},
	}
	return append(all, headers...)
}

// gzipped is a bomb: n zeros.
func gzipped(n int64) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.CopyN(w, zeros{}, n)
	w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func wrongBodies(now int64) []wrongInput {
	good := seriesV1("bad", sample(now, 1))
	corrupted := snap(many(good, 4096))
	corrupted[len(corrupted)/2] ^= 0xff
	corrupted[len(corrupted)/2+1] ^= 0xff
	inputs := []wrongInput{
		{name: "no body", want: 400},
		{name: "no snappy", body: []byte("hello"), want: 400},
		{name: "corrupted snappy", body: corrupted, want: 400},
		{name: "snappy of the stream format", body: []byte("\xff\x06\x00\x00sNaPpY\x00\x00"), want: 400},
		{name: "declares 4 GiB", body: declared(math.MaxUint32, "abc"), want: 413},
		{name: "declares more than snappy can", body: declared(1<<40, "abc"), want: 400},
		{name: "declares all of the limit", body: declared(inputLimit, "abc"), want: 400},
		{name: "declares nothing and has something", body: declared(0, "abc"), want: 400},
		{name: "larger than the limit", body: snap(make([]byte, inputLimit+1)), want: 413},
		{name: "body larger than snappy makes of the limit", body: make([]byte, 2*inputLimit), want: 413},
		{name: "the same in chunks", body: make([]byte, 2*inputLimit), chunked: true, want: 413},
		{name: "truncated", body: snap(good[:len(good)-3]), want: 400},
		{name: "field longer than the message", body: snap(good, []byte{0x0a, 0x7f, 1, 2}), want: 400},
		{name: "field of 8 EiB", body: snap(good, []byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), want: 400},
		{name: "endless varint", body: snap(many([]byte{0xff}, inputLimit/2)), want: 400},
		{name: "endless varint as timestamp", body: snap(seriesV1("bad", field(v1Samples, append([]byte{0x10}, many([]byte{0x80}, mib)...)))), want: 400},
		{name: "endless groups", body: snap(many([]byte{0x7b}, inputLimit/2)), want: 400},
		{name: "series as number", body: snap(varint(v1Series, 1)), want: 400},
		{name: "label as number", body: snap(field(v1Series, varint(v1Labels, 1), sample(now, 1))), want: 400},
		{name: "value as number", body: snap(seriesV1("bad", field(v1Samples, varint(1, 1), varint(2, now)))), want: 400},
		{name: "timestamp as double", body: snap(seriesV1("bad", field(v1Samples, double(1, 1), double(2, 1)))), want: 400},
		{name: "label that is none", body: snap(field(v1Series, field(v1Labels, []byte("nonsense")), sample(now, 1))), want: 400},
		{name: "invalid UTF-8 in a value", body: snap(seriesV1("bad", label("a", "\xff\xfe"), sample(now, 1))), want: 400},
		{name: "invalid UTF-8 in a name", body: snap(seriesV1("bad", label("\xc0\xaf", "a"), sample(now, 1))), want: 400},
		{name: "no metric name", body: snap(field(v1Series, label("a", "b"), sample(now, 1))), want: 400},
		{name: "label twice", body: snap(seriesV1("bad", label("a", "b"), label("a", "c"), sample(now, 1))), want: 400},
		{name: "label without a name", body: snap(seriesV1("bad", label("", "b"), sample(now, 1))), want: 400},
		{name: "last of all times", body: snap(seriesV1("bad", sample(math.MaxInt64, 1))), want: 400},
		{name: "first of all times", body: snap(seriesV1("bad", sample(math.MinInt64, 1))), want: 400},
		{name: "before 1970", body: snap(seriesV1("bad", sample(-1, 1))), want: 400},
		{name: "microseconds for milliseconds", body: snap(seriesV1("bad", sample(now*1000, 1))), want: 400},
		{name: "seconds for milliseconds", body: snap(seriesV1("bad", sample(now/1000, 1))), want: 400},
		{name: "histogram whose span is 4 Gi buckets long", body: snap(seriesV1("bad", field(v1Histograms, field(11, varint(2, math.MaxUint32)), varint(15, now)))), want: 400},
		{name: "histogram of an unknown schema", body: snap(seriesV1("bad", field(v1Histograms, varint(4, 254), varint(15, now)))), want: 400},
	}
	return append(inputs, wrongBodiesV2(now)...)
}

func wrongBodiesV2(now int64) []wrongInput {
	symbols := [][]byte{field(v2Symbols), field(v2Symbols, []byte("__name__")), field(v2Symbols, []byte("bad"))}
	table := bytes.Join(symbols, nil)
	series := func(content ...[]byte) []byte { return field(v2Series, content...) }
	h := headersV2()
	return []wrongInput{
		{name: "2.0: reference out of the table", header: h, body: snap(table, series(field(v2Refs, []byte{1, 3}), sample(now, 1))), want: 400},
		{name: "2.0: reference of 64 bits", header: h, body: snap(table, series(field(v2Refs, many([]byte{0xff}, 9), []byte{1}), sample(now, 1))), want: 400},
		{name: "2.0: half a label", header: h, body: snap(table, series(field(v2Refs, []byte{1, 2, 1}), sample(now, 1))), want: 400},
		{name: "2.0: no table", header: h, body: snap(series(field(v2Refs, []byte{1, 2}), sample(now, 1))), want: 400},
		{name: "2.0: help out of the table", header: h, body: snap(table, series(field(v2Refs, []byte{1, 2}), field(v2SeriesMeta, varint(3, 9)), sample(now, 1))), want: 400},
		{name: "2.0: series as number", header: h, body: snap(table, varint(v2Series, 1)), want: 400},
		{name: "2.0: truncated", header: h, body: snap(table[:len(table)-1]), want: 400},
	}
}

// TestWrongInput sends what is no remote write, or none that can be stored,
// while a good sender goes on. Each request gets the answer that tells its
// sender not to try again, nothing of it is stored, and all of what the good
// sender sent.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	const run = "wrong-input"
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	limits := limits{requestBytes: inputLimit, concurrent: 8}
	r := limits.receive(t, dir, bucket, run)
	first := harness.NewSender(t, r, harness.RemoteWriteV1)
	first.Send(one("first", time.Now().UnixMilli(), 1)) // "too old" is relative to what there is
	first.Close()
	good := startGood(t, r)
	bad := attacker(t)
	for range 3 { // what one attack leaves behind, the next may stumble over
		for _, c := range wrongInputs(time.Now().UnixMilli()) {
			got := attack(t, bad, r, c)
			if got.status != c.want {
				t.Errorf("%s: answer %d, want %d: %.300s", c.name, got.status, c.want, got.body)
			}
			checkWords(t, c.name, got.body)
		}
	}
	bad.CloseIdleConnections()
	good.wait(t, 1)
	good.end()
	limits.check(t, r)
	terminate(t, r.Process)
	checkWords(t, "log", r.Log())
	checkArchived(t, dir, bucket, run, first, good.Sender)
}

// attack makes a wrong request. A receiver that is busy is asked again.
func attack(t *testing.T, c *http.Client, r *harness.Receiver, in wrongInput) (got answer) {
	t.Helper()
	method := in.method
	if method == "" {
		method = http.MethodPost
	}
	harness.Until(t, in.name+" to be answered", func() (err error) {
		var body io.Reader = bytes.NewReader(in.body)
		if in.chunked {
			body = io.MultiReader(body) // a reader that no client knows the length of
		}
		got, err = do(c, method, r.URL+"/api/v1/write", in.header, body)
		if err == nil && got.status == http.StatusServiceUnavailable {
			err = errBusy
		}
		return err
	})
	return got
}

// TestEmptyRequests sends requests in which there is nothing, or nothing that
// one should stumble over: they are answered as any other good write.
func TestEmptyRequests(t *testing.T) {
	t.Parallel()
	const run = "empty-requests"
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	r := receive(t, dir, bucket, run)
	c := attacker(t)
	for name, header := range map[string]map[string]string{
		"1.0":                  headersV1(),
		"2.0":                  headersV2(),
		"version of tomorrow":  with(headersV1(), "X-Prometheus-Remote-Write-Version", "99.7.1"),
		"version that is none": with(headersV2(), "X-Prometheus-Remote-Write-Version", "∞"),
	} {
		got := attack(t, c, r, wrongInput{name: name, header: header, body: snap()})
		if got.status != http.StatusNoContent {
			t.Errorf("%s: answer %d, want 204: %s", name, got.status, got.body)
		}
	}
	c.CloseIdleConnections()
	terminate(t, r.Process)
}
