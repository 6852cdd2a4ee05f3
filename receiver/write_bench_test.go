package receiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore/providers/filesystem"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// BenchmarkWrite measures writes from the HTTP handler to the commit, beside
// the way of Prometheus' own receiver and beside the floor: what decompressing,
// appending by reference and committing the same samples takes, which is what
// is left if nothing had to be decoded, looked up or counted.
//
// An iteration is a scrape of all series. Where all series are new in each
// scrape ("cold") the floor appends by labels that are ready made.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name string
		load benchLoad
	}{
		{"v1/load=warm", benchLoad{version: version1, series: 100_000}},
		{"v2/load=warm", benchLoad{version: version2, series: 100_000}},
		{"v1/load=cold", benchLoad{version: version1, series: 20_000, churn: 20_000}},
		{"v2/load=cold", benchLoad{version: version2, series: 20_000, churn: 20_000}},
		{"v1/load=churn", benchLoad{version: version1, series: 100_000, churn: 5_000}},
		{"v2/load=histograms", benchLoad{version: version2, series: 10_000, histograms: true}},
	} {
		for _, r := range []struct {
			name string
			new  func(*testing.B, *benchLoad) benchReceiver
		}{
			{"benchkeep", newBenchkeep},
			{"prometheus", newPrometheus},
			{"floor", newFloor},
		} {
			b.Run(c.name+"/receiver="+r.name, func(b *testing.B) { c.load.run(b, r.new) })
		}
	}
}

// BenchmarkGrowth is what a sample costs as the run's series grow in number.
func BenchmarkGrowth(b *testing.B) {
	for _, series := range []int{100_000, 300_000, 1_000_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			load := benchLoad{version: version1, series: series}
			load.run(b, newBenchkeep)
		})
	}
}

// A benchReceiver takes one request, a part of the load's current round.
type benchReceiver func(body []byte, part int)

func (l *benchLoad) run(b *testing.B, newReceiver func(*testing.B, *benchLoad) benchReceiver) {
	l.start = time.Now().Add(-time.Hour).UnixMilli()
	receive := newReceiver(b, l)
	for part, body := range l.round(b, 0) { // the first sight of what stays
		receive(body, part)
	}
	b.ReportAllocs()
	samples := 0
	var cpu time.Duration
	for round := 1; b.Loop(); round++ {
		b.StopTimer()
		bodies := l.round(b, round)
		b.StartTimer()
		before := cpuTime(b)
		for part, body := range bodies {
			receive(body, part)
		}
		cpu += cpuTime(b) - before
		samples += len(l.points)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(samples), "cpu-ns/sample")
}

// cpuTime is the processor time that the process has taken, garbage collection
// included. Other processes on the machine make it a better measure than the
// clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// newBenchkeep is this receiver, without the network.
func newBenchkeep(b *testing.B, l *benchLoad) benchReceiver {
	bkt, err := filesystem.NewBucket(b.TempDir())
	require.NoError(b, err)
	run, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{Dir: b.TempDir(), Bucket: bkt})
	require.NoError(b, err)
	require.NoError(b, run.Start(b.Context()))
	b.Cleanup(func() { require.NoError(b, run.Close()) })
	return post(b, l.version, New(Options{
		Logger: promslog.NewNopLogger(), Registry: prometheus.NewRegistry(), Run: run,
		Writers: NewWriters(time.Second, time.Second), RequestBytes: 64 << 20, ConcurrentWrites: 8,
	}))
}

// newPrometheus is Prometheus' receiver on the same storage.
func newPrometheus(b *testing.B, l *benchLoad) benchReceiver {
	accepted := remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}
	return post(b, l.version, remote.NewWriteHandler(promslog.NewNopLogger(), prometheus.NewRegistry(), benchDB(b), accepted, false, false, false))
}

// newFloor decompresses, and appends what the bodies say without reading it.
func newFloor(b *testing.B, l *benchLoad) benchReceiver {
	db := benchDB(b)
	refs := make([]storage.SeriesRef, l.series)
	var decoded []byte
	return func(body []byte, part int) {
		var err error
		decoded, err = snappy.Decode(decoded[:cap(decoded)], body)
		require.NoError(b, err)
		app := db.AppenderV2(context.Background())
		for i := range benchSeries {
			at := part*benchSeries + i
			p := &l.points[at]
			if p.isNew {
				refs[at] = 0
			}
			if refs[at], err = app.Append(refs[at], p.labels, 0, p.t, p.v, p.h, nil, storage.AOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, app.Commit())
	}
}

func benchDB(b *testing.B) *tsdb.DB {
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = (24 * time.Hour).Milliseconds()
	opts.IsolationDisabled = true
	db, err := tsdb.Open(b.TempDir(), promslog.NewNopLogger(), prometheus.NewRegistry(), opts, nil)
	require.NoError(b, err)
	db.DisableCompactions()
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

// post sends bodies to a handler. Request and answer are used again, so that
// only what the handler allocates is counted.
func post(b *testing.B, v version, h http.Handler) benchReceiver {
	req, err := http.NewRequest(http.MethodPost, "/api/v1/write", nil)
	require.NoError(b, err)
	for i, header := 0, writeHeader(v); i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	snappyEncoding := req.Header["Content-Encoding"]
	w := &benchAnswer{header: http.Header{}}
	reader := bytes.NewReader(nil)
	source := io.NopCloser(reader)
	return func(body []byte, _ int) {
		reader.Reset(body)
		req.Body = source // some handlers put their own there
		req.Header["Content-Encoding"] = snappyEncoding
		req.ContentLength = int64(len(body))
		clear(w.header)
		w.status = 0
		h.ServeHTTP(w, req)
		if w.status != http.StatusNoContent {
			b.Fatalf("answer %d", w.status)
		}
	}
}

// benchAnswer is an answer that nobody reads, of a connection that has no
// deadlines.
type benchAnswer struct {
	header http.Header
	status int
}

func (w *benchAnswer) Header() http.Header           { return w.header }
func (w *benchAnswer) WriteHeader(status int)        { w.status = status }
func (w *benchAnswer) Write(p []byte) (int, error)   { return len(p), nil }
func (*benchAnswer) SetReadDeadline(time.Time) error { return nil }
