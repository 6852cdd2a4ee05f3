package receiver

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// The tests whose names begin with TestConformance show what docs/protocol.md
// says of the Remote-Write specifications, as far as no other test does.

func TestConformanceVersionHeader(t *testing.T) {
	for _, v := range bothVersions {
		for _, sent := range []string{"", "0.1.0", "1.0.0", "2.0.0", "2.1", "99.0.0", "none"} {
			t.Run(fmt.Sprintf("%s says %q", v, sent), func(t *testing.T) {
				s := serve(t, startRun(t), Options{})
				header := append(writeHeader(v), "X-Prometheus-Remote-Write-Version", sent)
				a := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(encode(t, v, float("a", 1, 2))), header...)
				require.Equal(t, http.StatusNoContent, a.status, a.body)
				require.EqualValues(t, 2, s.status().Written, "the content type alone names the message")
				require.Empty(t, a.header.Values("X-Prometheus-Remote-Write-Version"))
			})
		}
	}
}

func TestConformanceUserAgent(t *testing.T) {
	for name, agent := range map[string]string{
		"missing":        "", // the client leaves it out
		"with a comment": "avalanche/0.7 (linux; amd64)",
		"odd":            "no slash; ünïcode",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			header := append(writeHeader(version2), "User-Agent", agent)
			a := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(encode(t, version2, float("a", 1))), header...)
			require.Equal(t, http.StatusNoContent, a.status, a.body)
		})
	}
}

// Fields of one name are one list for HTTP, whatever the number of lines.
func TestConformanceEncodingInSeveralLines(t *testing.T) {
	body := encode(t, version1, float("a", 1))
	for _, lines := range [][]string{{"snappy", "gzip"}, {"gzip", "snappy"}, {"snappy", "snappy"}} {
		t.Run(fmt.Sprint(lines), func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			conn := s.dial()
			conn.send("POST /api/v1/write HTTP/1.1", "Host: test", "Content-Type: "+mediaType,
				"Content-Encoding: "+lines[0], "Content-Encoding: "+lines[1], fmt.Sprint("Content-Length: ", len(body)))
			_, err := conn.Write(body)
			require.NoError(t, err)
			require.Equal(t, http.StatusUnsupportedMediaType, conn.answer().status)
			require.Zero(t, s.status().Received)
		})
	}
}

func TestConformanceRequestOfNothing(t *testing.T) {
	for _, v := range bothVersions {
		t.Run(string(v), func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			a := s.write(v, snappy.Encode(nil, nil))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Empty(t, a.body)
			require.Zero(t, s.status().Received)
		})
	}
}

// The fields of one message are unknown to the other, so that a wrong content
// type stores nothing rather than rubbish.
func TestConformanceMessageOfTheOtherVersion(t *testing.T) {
	for says, is := range map[version]version{version1: version2, version2: version1} {
		t.Run(fmt.Sprintf("%s in the body, %s in the header", is, says), func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			a := s.write(says, encode(t, is, float("a", 1)))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Zero(t, s.status().Received)
			require.Zero(t, s.status().Series)
			if says == version2 {
				require.Equal(t, []string{"0", "0", "0"}, a.written(), "the sender can tell")
			}
		})
	}
}

// A later minor version may add fields anywhere, of any type.
func TestConformanceUnknownFields(t *testing.T) {
	unknown := slices.Concat(pbVarint(100, 1), pbDouble(101, 1), pbText(102, "x"), []byte{0xbb, 0x06, 0xbc, 0x06}, []byte{0xc5, 0x06, 1, 2, 3, 4})
	sample := pbField(2, pbDouble(1, 7), unknown, pbVarint(2, uint64(t0)))
	hist := slices.Concat(pbVarint(1, 0), unknown, pbVarint(15, uint64(t0)))
	exemplar := slices.Concat(unknown, pbDouble(2, 1), pbVarint(3, uint64(t0)))
	v1 := slices.Concat(unknown,
		pbField(1, pbField(1, pbText(1, "__name__"), unknown, pbText(2, "a")), unknown, sample, pbField(3, exemplar)),
		pbField(1, unknown, pbLabel("__name__", "h"), pbField(4, hist)),
		pbField(3, unknown, pbVarint(1, 1), pbText(2, "a")))
	v2 := slices.Concat(unknown, pbSymbols("__name__", "a", "h"),
		pbField(5, unknown, pbPacked(1, 1, 2), sample, pbField(4, exemplar), pbField(5, unknown, pbVarint(1, 1))),
		pbField(5, pbPacked(1, 1, 3), unknown, pbField(3, hist)), unknown)
	for v, body := range map[version][]byte{version1: v1, version2: v2} {
		t.Run(string(v), func(t *testing.T) {
			k := serveKeeper(t)
			a := k.write(v, snappy.Encode(nil, body))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			got := k.archived()
			require.Equal(t, map[int64]string{t0: "7"}, got[`{__name__="a"}`])
			require.Len(t, got[`{__name__="h"}`], 1)
			require.Equal(t, "counter", k.manifest().Metrics["a"].Type)
		})
	}
}

// lostAnswer is a run whose first answer gets lost: everything was committed,
// but the sender is told to try again.
type lostAnswer struct {
	*blockwriter.Run
	once sync.Once
}

func (l *lostAnswer) Append(b *blockwriter.Batch) (res blockwriter.Result, err error) {
	res, err = l.Run.Append(b)
	l.once.Do(func() { res, err = blockwriter.Result{}, blockwriter.ErrStorage })
	return res, err
}

func TestConformanceRetryOfWhatWasStored(t *testing.T) {
	for _, v := range bothVersions {
		t.Run(string(v), func(t *testing.T) {
			s := serve(t, &lostAnswer{Run: startRun(t)}, Options{})
			hist := float("h")
			hist.Histograms = []prompb.Histogram{prompb.FromIntHistogram(t0, exponential())}
			nameless := labeled([]prompb.Sample{{Timestamp: t0}}, "job", "nameless")
			body := encode(t, v, float("a", 1, 2, 3), nameless, hist)
			a := s.write(v, body)
			require.Equal(t, http.StatusServiceUnavailable, a.status)
			if v == version2 {
				require.Equal(t, []string{"0", "0", "0"}, a.written())
			}
			for range 2 {
				a = s.write(v, body)
				require.Equal(t, http.StatusBadRequest, a.status, "as it would have been at first")
				if v == version2 {
					require.Equal(t, []string{"3", "1", "0"}, a.written())
				}
			}
			require.NoError(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP))
			st := s.status()
			require.EqualValues(t, 4, st.Written)
			require.EqualValues(t, 4, st.Archived)
			require.EqualValues(t, 8, st.Duplicates)
		})
	}
}

func TestConformanceRetryInTheOtherVersion(t *testing.T) {
	k := serveKeeper(t)
	for _, v := range []version{version2, version1, version2} {
		a := k.write(v, encode(t, v, float("a", 1, 2)))
		require.Equal(t, http.StatusNoContent, a.status, a.body)
	}
	require.Equal(t, stored{`{__name__="a", job="test"}`: {t0: "1", t0 + 1000: "2"}}, k.archived())
	require.EqualValues(t, 4, k.status().Duplicates)
}

func TestConformanceParallelRequests(t *testing.T) {
	const senders, requests = 6, 20
	s := serve(t, startRun(t), Options{ConcurrentWrites: senders})
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			v := bothVersions[i%2]
			for n := range requests {
				series := labeled([]prompb.Sample{{Timestamp: t0 + int64(n), Value: 1}}, "__name__", "a", "sender", strconv.Itoa(i))
				req, err := http.NewRequest(http.MethodPost, s.http.URL+"/api/v1/write", bytes.NewReader(encode(t, v, series)))
				if err != nil {
					t.Error(err)
					return
				}
				for h := range slices.Chunk(writeHeader(v), 2) {
					req.Header.Set(h[0], h[1])
				}
				res, err := s.http.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusNoContent {
					t.Errorf("status %d", res.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.run.Finish(t.Context(), blockwriter.TriggerHTTP))
	require.EqualValues(t, senders*requests, s.status().Archived)
}

// The answer tells how many samples were rejected, and each reason, also where
// there are more series than it spells out.
func TestConformanceAnswerNamesEveryReason(t *testing.T) {
	for _, v := range bothVersions {
		t.Run(string(v), func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			var series []prompb.TimeSeries
			for i := range 20 {
				series = append(series, labeled([]prompb.Sample{{Timestamp: t0}}, "job", strconv.Itoa(i)))
			}
			series = append(series, labeled([]prompb.Sample{{Timestamp: time.Now().Add(time.Hour).UnixMilli()}}, "__name__", "early"))
			a := s.write(v, encode(t, v, series...))
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Contains(t, a.body, "21 samples rejected")
			require.Contains(t, a.body, "no_metric_name")
			require.Contains(t, a.body, "too_far_in_future")
		})
	}
}
