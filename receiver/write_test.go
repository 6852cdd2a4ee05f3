package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter"
)

var bothVersions = []version{version1, version2}

func TestWriteIsStoredOnBothPaths(t *testing.T) {
	for _, path := range []string{"/api/v1/write", "/api/v1/receive"} {
		for _, v := range bothVersions {
			t.Run(fmt.Sprintf("%s %s", path, v), func(t *testing.T) {
				s := serve(t, startRun(t), Options{})
				a := s.do(http.MethodPost, path, bytes.NewReader(encode(t, v, float("a", 1, 2), float("b", 3))), writeHeader(v)...)
				require.Equal(t, http.StatusNoContent, a.status)
				require.Empty(t, a.body)
				require.EqualValues(t, 3, s.status().Written)
				require.EqualValues(t, 2, s.status().Series)
			})
		}
	}
}

// A malformed request is a bad request, and nothing of it is stored.
func TestMalformedWriteIsRefused(t *testing.T) {
	whole := encode(t, version1, float("a", 1))
	brokenLabel := pbField(1, pbLabel("__name__", "a"), pbField(1, pbVarint(2, 1)), pbField(2, pbDouble(1, 1), pbVarint(2, 1)))
	for name, tc := range map[string]struct {
		version version
		body    []byte
		says    string
	}{
		"no body":            {version1, nil, "snappy"},
		"not compressed":     {version1, []byte("hello"), "snappy"},
		"snappy frames":      {version1, []byte("\xff\x06\x00\x00sNaPpY"), "snappy"},
		"snappy cut short":   {version1, whole[:len(whole)-1], "snappy"},
		"length of 70 bits":  {version1, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "snappy"},
		"1.0 no protobuf":    {version1, snappy.Encode(nil, []byte("<html>")), "at byte 0"},
		"2.0 no protobuf":    {version2, snappy.Encode(nil, []byte("<html>")), "at byte 0"},
		"2.0 odd references": {version2, snappy.Encode(nil, slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1)))), "odd number"},
		"1.0 broken label":   {version1, snappy.Encode(nil, brokenLabel), "wire type"},
		"broken behind good": {version1, snappy.Encode(nil, slices.Concat(encodeLabelsV1("__name__", "a"), brokenLabel)), "wire type"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			a := s.write(tc.version, tc.body)
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Contains(t, a.body, tc.says)
			require.Zero(t, s.status().Received)
			require.Zero(t, s.status().Series)
		})
	}
}

// What is wrong with some samples must not cost the others, nor may the
// sender try again: the answer is 400, and says which and why.
func TestPartiallyRejectedWriteStoresTheRest(t *testing.T) {
	for _, v := range bothVersions {
		t.Run(string(v), func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			nameless := prompb.TimeSeries{Labels: []prompb.Label{{Name: "job", Value: "nameless"}}, Samples: []prompb.Sample{{Timestamp: t0}}}
			early := float("early")
			early.Samples = []prompb.Sample{{Timestamp: time.Now().Add(time.Hour).UnixMilli()}}
			a := s.write(v, encode(t, v, float("first", 1), nameless, early, float("last", 2, 3)))
			require.Equal(t, http.StatusBadRequest, a.status)
			for _, part := range []string{
				"2 samples rejected, the others are stored", `no_metric_name: series {"job"="nameless"}`,
				`too_far_in_future: series {__name__="early", job="test"}`, "--limit.future",
			} {
				require.Contains(t, a.body, part)
			}
			if v == version2 {
				require.Equal(t, []string{"3", "0", "0"}, a.written())
			}

			require.NoError(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP))
			st := s.status()
			require.EqualValues(t, 5, st.Received)
			require.EqualValues(t, 3, st.Written)
			require.EqualValues(t, 3, st.Archived, "the blocks hold the good samples")
			require.Equal(t, map[string]int64{"no_metric_name": 1, "too_far_in_future": 1}, st.Rejected)
			require.False(t, st.Complete)
		})
	}
}

// A known series goes on when the limit is reached, and a new one is refused
// for good: asking to try again would block the sender's whole queue.
func TestSeriesOverTheLimitAreRejected(t *testing.T) {
	s := serve(t, startRun(t, func(o *blockwriter.Options) { o.SeriesLimit = 1 }), Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("known", 1))).status)
	a := s.write(version1, encode(t, version1, float("new", 1), float("known", 1, 2)))
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Contains(t, a.body, "--limit.series")
	require.EqualValues(t, 2, s.status().Written)
}

func TestWriteInStatesThatTakeNone(t *testing.T) {
	body := encode(t, version2, float("a", 1))
	t.Run("starting", func(t *testing.T) {
		a := serve(t, newRun(t), Options{}).write(version2, body)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, []string{"0", "0", "0"}, a.written())
	})
	t.Run("archived", func(t *testing.T) {
		s := serve(t, startRun(t), Options{})
		require.NoError(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP))
		a := s.write(version2, body)
		require.Equal(t, http.StatusGone, a.status)
		require.Equal(t, []string{"0", "0", "0"}, a.written())
	})
	t.Run("failed", func(t *testing.T) {
		bkt := &faultyBucket{}
		s := serve(t, startRun(t, func(o *blockwriter.Options) {
			bkt.Bucket, o.Bucket, o.FinishTimeout = o.Bucket, bkt, 300*time.Millisecond
		}), Options{})
		require.Equal(t, http.StatusNoContent, s.write(version2, body).status)
		bkt.down.Store(true)
		require.ErrorIs(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP), errDown)
		require.Equal(t, http.StatusServiceUnavailable, s.write(version2, body).status)
	})
}

// Whatever the run answers, a sender gives a batch up only where sending it
// again could not help.
func TestErrorsOfTheRun(t *testing.T) {
	cause := errors.New("no space left on device")
	for name, tc := range map[string]struct {
		accepting, appending error
		status               int
		appends              int32
	}{
		"not open":           {blockwriter.ErrNotOpen, nil, http.StatusServiceUnavailable, 0},
		"finished":           {blockwriter.ErrFinished, nil, http.StatusGone, 0},
		"fenced meanwhile":   {nil, blockwriter.ErrNotOpen, http.StatusServiceUnavailable, 1},
		"finished meanwhile": {nil, blockwriter.ErrFinished, http.StatusGone, 1},
		"storage":            {nil, fmt.Errorf("%w: %w", blockwriter.ErrStorage, cause), http.StatusServiceUnavailable, 1},
		"malformed":          {nil, fmt.Errorf("%w: labels", blockwriter.ErrMalformed), http.StatusBadRequest, 1},
		"unknown":            {nil, cause, http.StatusInternalServerError, 1},
		"unknown before":     {cause, nil, http.StatusInternalServerError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run := &fakeRun{accepting: tc.accepting, appending: tc.appending}
			a := serve(t, run, Options{}).write(version1, encode(t, version1, float("a", 1)))
			require.Equal(t, tc.status, a.status)
			require.Equal(t, errors.Join(tc.accepting, tc.appending).Error()+"\n", a.body)
			require.Equal(t, tc.appends, run.appends.Load())
			require.Empty(t, a.header.Values("Retry-After"), "a long one outlasts the sender's own shutdown")
		})
	}
}

// heldRun lets appends wait.
type heldRun struct {
	fakeRun
	entered, release chan struct{}
}

func (h *heldRun) Append(b *blockwriter.Batch) (blockwriter.Result, error) {
	h.entered <- struct{}{}
	<-h.release
	return h.fakeRun.Append(b)
}

func TestMoreWritesThanAllowedAreAskedToTryAgain(t *testing.T) {
	run := &heldRun{entered: make(chan struct{}), release: make(chan struct{})}
	s := serve(t, run, Options{ConcurrentWrites: 1})
	body := encode(t, version1, float("a", 1))
	first := make(chan int, 1)
	go func() { first <- s.write(version1, body).status }()
	<-run.entered

	a := s.write(version1, body)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Contains(t, a.body, "--limit.concurrent-writes")
	close(run.release)
	require.Equal(t, http.StatusNoContent, <-first)
	go func() { <-run.entered }()
	require.Equal(t, http.StatusNoContent, s.write(version1, body).status)
}

// However many bodies do not arrive, one that does is stored.
func TestBodiesThatDoNotArriveTakeNoSlot(t *testing.T) {
	s := serve(t, startRun(t), Options{ConcurrentWrites: 1})
	for range 5 {
		held := s.dial()
		held.send("POST /api/v1/write HTTP/1.1", "Host: test", "Content-Length: 1000", "Expect: 100-continue")
		require.Equal(t, http.StatusContinue, held.answer().status, "the receiver waits for the body")
	}
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("b", 1))).status)
}

// Two bytes a series or sample are many in memory.
func TestRequestThatDecodesToTooMuchIsRefused(t *testing.T) {
	s := serve(t, startRun(t), Options{RequestBytes: 64 << 10})
	for name, field := range map[string]string{
		"series":     "\x0a\x00",
		"samples":    "\x0a\x02\x12\x00",
		"histograms": "\x0a\x02\x22\x00",
		"metadata":   "\x1a\x00",
	} {
		t.Run(name, func(t *testing.T) {
			body := snappy.Encode(nil, []byte(strings.Repeat(field, (64<<10)/len(field))))
			a := s.write(version1, body)
			require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
			require.Contains(t, a.body, "it decodes to more than 131072 bytes")
		})
	}
}

// A sender that goes away in the middle of a body gives its slot back.
func TestSenderThatGoesAwayFreesItsSlot(t *testing.T) {
	writers := NewWriters(time.Hour, time.Hour)
	s := serve(t, startRun(t), Options{ConcurrentWrites: 1, Writers: writers})
	gone := s.dial()
	gone.send("POST /api/v1/write HTTP/1.1", "Host: test", "Content-Length: 100", "Expect: 100-continue")
	require.Equal(t, http.StatusContinue, gone.answer().status)
	require.NoError(t, gone.Close())

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.Equal(t, "every writer has closed its connection", writers.Drain(ctx))
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
}

func TestWrittenHeaders(t *testing.T) {
	full := float("a", 1, 2)
	full.Exemplars = []prompb.Exemplar{{Value: 1, Timestamp: t0}, {Value: 2, Timestamp: t0}}
	hist := float("h")
	hist.Histograms = []prompb.Histogram{prompb.FromIntHistogram(t0, tsdbutil.GenerateTestHistogram(1))}
	conflict := float("a", 5)

	t.Run("2.0", func(t *testing.T) {
		s := serve(t, startRun(t), Options{})
		for range 2 { // what was stored already need not be sent again: it counts
			a := s.write(version2, encode(t, version2, full, hist))
			require.Equal(t, http.StatusNoContent, a.status)
			require.Equal(t, []string{"2", "1", "0"}, a.written())
		}
		a := s.write(version2, encode(t, version2, conflict, float("b", 1), hist))
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, []string{"1", "1", "0"}, a.written())
		a = s.write(version2, []byte("junk"))
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, []string{"0", "0", "0"}, a.written())
		st := s.status()
		require.EqualValues(t, 4, st.Exemplars)
		require.EqualValues(t, 4, st.Duplicates)
		require.EqualValues(t, 4, st.Written)
	})
	t.Run("1.0", func(t *testing.T) {
		s := serve(t, startRun(t), Options{})
		a := s.write(version1, encode(t, version1, full, hist))
		require.Equal(t, http.StatusNoContent, a.status)
		require.Empty(t, a.written())
		a = s.write(version1, encode(t, version1, conflict, float("b", 1)))
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Empty(t, a.written())
	})
}

func TestSendersAreRecordedByTheirUserAgent(t *testing.T) {
	var bkt objstore.Bucket
	s := serve(t, startRun(t, func(o *blockwriter.Options) { bkt = o.Bucket }), Options{})
	body := encode(t, version1, float("a", 1))
	for _, agent := range []string{"vmagent", "Prometheus/3.16.0", "vmagent"} {
		a := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(body), "User-Agent", agent)
		require.Equal(t, http.StatusNoContent, a.status)
	}
	require.NoError(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP))
	m, err := archive.ReadManifest(t.Context(), bkt, s.status().Manifest)
	require.NoError(t, err)
	require.Equal(t, []string{"Prometheus/3.16.0", "vmagent"}, m.Senders)
}
