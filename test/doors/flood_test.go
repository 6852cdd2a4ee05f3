package doors

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// expanding are requests of about n bytes, decompressed, of which nearly every
// byte or two make a structure of many bytes. Compressed they are small.
func expanding(n int) map[string]wrongInput {
	empty := []byte{0}
	v1 := func(body []byte) wrongInput { return wrongInput{header: headersV1(), body: snap(body)} }
	v2 := func(parts ...[]byte) wrongInput {
		table := bytes.Join([][]byte{field(v2Symbols), field(v2Symbols, []byte("__name__")), field(v2Symbols, []byte("bad"))}, nil)
		return wrongInput{header: headersV2(), body: snap(slices.Insert(parts, 0, table)...)}
	}
	bad := field(v2Refs, []byte{1, 2})
	room := n - 256 // for what goes around
	return map[string]wrongInput{
		"series":               v1(many(field(v1Series), room)),
		"series with a sample": v1(many(field(v1Series, field(v1Samples)), room)),
		"labels":               v1(seriesV1("bad", many(field(v1Labels), room), sample(0, 1))),
		"samples":              v1(seriesV1("bad", many(field(v1Samples), room))),
		"exemplars":            v1(seriesV1("bad", many(field(v1Exemplars), room))),
		"histograms":           v1(seriesV1("bad", many(field(v1Histograms), room))),
		"metadata":             v1(many(field(v1Metadata), room)),
		"spans":                v1(seriesV1("bad", field(v1Histograms, many(field(8), room)))),
		"deltas":               v1(seriesV1("bad", field(v1Histograms, field(12, many(empty, room))))),
		"2.0 symbols":          v2(many(field(v2Symbols), room)),
		"2.0 series":           v2(many(field(v2Series), room)),
		"2.0 references":       v2(field(v2Series, field(v2Refs, many(empty, room)))),
		"2.0 samples":          v2(field(v2Series, bad, many(field(v2Samples), room))),
		"2.0 histograms":       v2(field(v2Series, bad, many(field(v2Histograms), room))),
		"2.0 series that tell": v2(many(field(v2Series, field(v2SeriesMeta, varint(1, 1))), room)),
	}
}

// TestExpandingRequests sends requests within --limit.request-bytes that would
// be many times larger in memory, as many at a time as the receiver takes.
func TestExpandingRequests(t *testing.T) {
	t.Parallel()
	limits := limits{requestBytes: 32 * mib, concurrent: 8}
	for name, in := range expanding(int(limits.requestBytes)) {
		t.Run(name, func(t *testing.T) {
			dir := harness.Dir(t)
			bucket := harness.DirectoryBucket(t, dir)
			r := limits.receive(t, dir, bucket, "expanding")
			good := startGood(t, r)
			good.wait(t, 1)
			in.name = name
			var attacks sync.WaitGroup
			for range limits.concurrent {
				bad := attacker(t)
				attacks.Go(func() { expand(t, bad, r, in) })
			}
			attacks.Wait()
			good.wait(t, 1)
			good.end()
			limits.check(t, r)
			terminate(t, r.Process)
			checkArchived(t, dir, bucket, "expanding", good.Sender)
			checkWords(t, "log", r.Log())
		})
	}
}

// expand makes a request that any answer will do for, as long as there is one.
func expand(t *testing.T, c *http.Client, r *harness.Receiver, in wrongInput) {
	defer c.CloseIdleConnections()
	got, err := do(c, http.MethodPost, r.URL+"/api/v1/write", in.header, bytes.NewReader(in.body))
	if err != nil {
		t.Errorf("%s: no answer: %v", in.name, err)
		return
	}
	checkWords(t, in.name, got.body)
}

// TestManyConnections has 500 senders write at once, each over a connection of
// its own: all of them get everything through, and all of it is archived.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	const run, senders, batches = "many-connections", 500, 3
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	limits := limits{requestBytes: 2 * mib, concurrent: 16}
	r := limits.receive(t, dir, bucket, run)
	all := make([]*harness.Sender, senders)
	begin := make(chan struct{})
	start := time.Now().UnixMilli()
	var sending sync.WaitGroup
	for i := range all {
		all[i] = harness.NewSender(t, r, harness.RemoteWriteV2)
		sending.Go(func() {
			<-begin
			for n := range int64(batches) {
				deliver(t, all[i], one("many", start+n, float64(n), "sender", fmt.Sprint(i)))
			}
		})
	}
	close(begin)
	sending.Wait()
	for _, s := range all {
		s.Close()
	}
	limits.check(t, r)
	terminate(t, r.Process)
	checkArchived(t, dir, bucket, run, all...)
}
