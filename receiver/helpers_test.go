package receiver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/blockwriter"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// t0 is when the samples of the tests begin, in Unix ms.
	t0 = int64(1_735_689_600_000)
	// patience bounds what a test waits for before it fails; none relies on it
	// to pass.
	patience = 30 * time.Second
)

// server is a receiver on a loopback address.
type server struct {
	t    *testing.T
	http *httptest.Server
	run  Run
}

// serve starts a receiver of the given run. Limits and tracker may be left out.
func serve(t *testing.T, run Run, opts Options) *server {
	t.Helper()
	opts.Run, opts.Logger = run, promslog.NewNopLogger()
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	if opts.Writers == nil {
		opts.Writers = NewWriters(time.Hour, time.Hour)
	}
	if opts.RequestBytes == 0 {
		opts.RequestBytes = 1 << 20
	}
	if opts.ConcurrentWrites == 0 {
		opts.ConcurrentWrites = 8
	}
	s := &server{t: t, run: run, http: httptest.NewUnstartedServer(New(opts))}
	s.http.Config.ConnContext = opts.Writers.ConnContext
	s.http.Config.ConnState = opts.Writers.ConnState
	s.http.Start()
	t.Cleanup(s.http.Close)
	return s
}

// newRun is a run on a folder bucket, not started yet.
func newRun(t *testing.T, change ...func(*blockwriter.Options)) *blockwriter.Run {
	t.Helper()
	bkt, err := filesystem.NewBucket(t.TempDir())
	require.NoError(t, err)
	opts := blockwriter.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: "run-1", FinishTimeout: time.Minute,
	}
	for _, c := range change {
		c(&opts)
	}
	run, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	return run
}

// startRun is newRun, open for writes.
func startRun(t *testing.T, change ...func(*blockwriter.Options)) *blockwriter.Run {
	t.Helper()
	run := newRun(t, change...)
	require.NoError(t, run.Start(t.Context()))
	return run
}

// await receives from a channel, or fails the test.
func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		require.Fail(t, "nothing came")
	}
	return v
}

// fakeRun fails as it is told to. Its methods do nothing else.
type fakeRun struct {
	state                           blockwriter.State
	accepting, appending, finishing error
	slow                            time.Duration // an append takes it
	appends                         atomic.Int32
}

func (f *fakeRun) Accepting() error { return f.accepting }

func (f *fakeRun) Append(b *blockwriter.Batch) (blockwriter.Result, error) {
	f.appends.Add(1)
	time.Sleep(f.slow)
	return blockwriter.Result{Samples: len(b.Samples)}, f.appending
}

func (f *fakeRun) Finish(context.Context, string) error { return f.finishing }
func (f *fakeRun) Status() blockwriter.Status           { return blockwriter.Status{State: f.state} }

// faultyBucket fails uploads while it is told to.
type faultyBucket struct {
	objstore.Bucket
	down atomic.Bool
}

var errDown = errors.New("bucket is down")

func (b *faultyBucket) Upload(ctx context.Context, name string, from io.Reader, opts ...objstore.ObjectUploadOption) error {
	if b.down.Load() {
		return errDown
	}
	return b.Bucket.Upload(ctx, name, from, opts...)
}

// answer is what a client gets to see.
type answer struct {
	status int
	header http.Header
	body   string
}

// written are the values of the headers that tell what was stored.
func (a answer) written() []string {
	var values []string
	for _, name := range []string{"Samples", "Histograms", "Exemplars"} {
		values = append(values, a.header.Values("X-Prometheus-Remote-Write-"+name+"-Written")...)
	}
	return values
}

// do sends a request. The header's fields come in pairs.
func (s *server) do(method, path string, body io.Reader, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.http.URL+path, body)
	require.NoError(s.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.answerOf(s.http.Client().Do(req))
}

func (s *server) answerOf(res *http.Response, err error) answer {
	s.t.Helper()
	require.NoError(s.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{status: res.StatusCode, header: res.Header, body: string(data)}
}

func (s *server) get(path string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, nil)
}

// write sends an encoded request of the given version.
func (s *server) write(v version, body []byte) answer {
	s.t.Helper()
	return s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(body), writeHeader(v)...)
}

func writeHeader(v version) []string {
	message := map[version]string{version1: messageV1, version2: messageV2}[v]
	return []string{"Content-Type", mediaType + ";proto=" + message, "Content-Encoding", "snappy", "User-Agent", "test/1"}
}

// status asks the receiver how the run is.
func (s *server) status() (status blockwriter.Status) {
	s.t.Helper()
	a := s.get("/api/v1/status")
	require.Equal(s.t, http.StatusOK, a.status)
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &status))
	return status
}

// rawConn is a connection on which a test speaks HTTP itself.
type rawConn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() *rawConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return newRawConn(s.t, conn)
}

func newRawConn(t *testing.T, conn net.Conn) *rawConn {
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &rawConn{t: t, Conn: conn, r: bufio.NewReader(conn)}
}

func (c *rawConn) send(lines ...string) {
	c.t.Helper()
	_, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n")
	require.NoError(c.t, err)
}

// answer reads the next answer, an interim one included.
func (c *rawConn) answer() answer {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	require.NoError(c.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return answer{status: res.StatusCode, header: res.Header, body: string(data)}
}

// float is a series of float samples, a second apart from t0 on.
func float(metric string, values ...float64) prompb.TimeSeries {
	ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "job", Value: "test"}}}
	for i, v := range values {
		ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: t0 + int64(i)*1000, Value: v})
	}
	return ts
}

// encode makes a write request of the given version.
func encode(tb testing.TB, v version, series ...prompb.TimeSeries) []byte {
	tb.Helper()
	if v == version1 {
		data, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
		require.NoError(tb, err)
		return snappy.Encode(nil, data)
	}
	var req writev2.Request
	symbols := writev2.NewSymbolTable()
	for _, ts := range series {
		var out writev2.TimeSeries
		for _, l := range ts.Labels {
			out.LabelsRefs = append(out.LabelsRefs, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
		}
		for _, s := range ts.Samples {
			out.Samples = append(out.Samples, writev2.Sample{Timestamp: s.Timestamp, Value: s.Value})
		}
		for _, h := range ts.Histograms {
			out.Histograms = append(out.Histograms, writev2.FromIntHistogram(0, h.Timestamp, h.ToIntHistogram()))
		}
		for _, e := range ts.Exemplars {
			out.Exemplars = append(out.Exemplars, writev2.Exemplar{Value: e.Value, Timestamp: e.Timestamp})
		}
		req.Timeseries = append(req.Timeseries, out)
	}
	req.Symbols = symbols.Symbols()
	data, err := req.Marshal()
	require.NoError(tb, err)
	return snappy.Encode(nil, data)
}
