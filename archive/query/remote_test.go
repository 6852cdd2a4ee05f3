package query

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// server answers every request alike, and keeps the last.
type server struct {
	*httptest.Server

	status       int
	body         string
	path, method string
	form         url.Values
}

func newServer(t *testing.T) *server {
	s := &server{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.path, s.method, s.form = r.URL.Path, r.Method, r.Form
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.body)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s
}

func (s *server) remote(t *testing.T, path string) *Remote {
	t.Helper()
	r, err := NewRemote(s.URL+path, &archive.Run{ID: runID, Parts: []*archive.Part{{MinTime: 1500, MaxTime: 9000}}})
	require.NoError(t, err)
	return r
}

func TestRemoteAsks(t *testing.T) {
	s := newServer(t)
	s.body = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	_, err := s.remote(t, "/thanos/").Instant(t.Context(), `sum(up)`, 1736974800123)
	require.NoError(t, err)
	require.Equal(t, "POST /thanos/api/v1/query", s.method+" "+s.path)
	require.Equal(t, url.Values{
		"query": {`sum(up{run="run-1"})`}, "time": {"1736974800.123"}, "dedup": {"false"}, "max_source_resolution": {"0s"}, "partial_response": {"false"},
	}, s.form)
	s.body = `{"status":"success","data":{"resultType":"matrix","result":[]}}`
	_, err = s.remote(t, "").Range(t.Context(), `up`, 1000, 61000, 15*time.Second)
	require.NoError(t, err)
	require.Equal(t, "/api/v1/query_range", s.path)
	require.Equal(t, []string{"1.000", "61.000", "15.000"}, []string{s.form.Get("start"), s.form.Get("end"), s.form.Get("step")})
	s.body = `{"status":"success","data":["b","a"]}`
	names, err := s.remote(t, "").MetricNames(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	require.Equal(t, "GET /api/v1/label/__name__/values", s.method+" "+s.path)
	require.Equal(t, url.Values{"partial_response": {"false"}, "match[]": {`{run="run-1"}`}, "start": {"1.500"}, "end": {"9.000"}}, s.form)
	_, err = s.remote(t, "").Instant(t.Context(), `info(up)`, 0)
	require.ErrorIs(t, err, errInfo)
}

func TestRemoteAsksForWhatThereIs(t *testing.T) {
	raw, five, hour := &archive.StoredBlock{}, &archive.StoredBlock{Resolution: 300_000}, &archive.StoredBlock{Resolution: 3_600_000}
	for want, blocks := range map[string][]*archive.StoredBlock{"0s": {five, raw}, "5m": {five}, "1h": {five, hour}} {
		r, err := NewRemote("http://localhost", &archive.Run{ID: runID, Blocks: blocks})
		require.NoError(t, err)
		require.Equal(t, want, r.resolution())
	}
}

func TestRemoteRefusesOtherTimes(t *testing.T) {
	s := newServer(t)
	for _, at := range []string{"0", "1.5", "9"} {
		s.body = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[` + at + `,"1"]]}]}}`
		_, err := s.remote(t, "").Range(t.Context(), "up", 1000, 8000, time.Second)
		require.ErrorContains(t, err, "for other times than those asked for", at)
	}
}

func TestRemoteFollowsNoRedirectThatLosesTheQuery(t *testing.T) {
	elsewhere := httptest.NewServer(http.RedirectHandler("https://thanos.example.com/api/v1/query", http.StatusMovedPermanently))
	t.Cleanup(elsewhere.Close)
	r, err := NewRemote(elsewhere.URL, &archive.Run{ID: runID})
	require.NoError(t, err)
	_, err = r.Instant(t.Context(), "up", 0)
	require.ErrorContains(t, err, "it has moved: give https://thanos.example.com/api/v1/query")
}

func TestRemoteAnswers(t *testing.T) {
	s := newServer(t)
	histogram := `{"count":"3","sum":"4.5","buckets":[[3,"-0.001","0.001","1"],[0,"1","+Inf","2"]]}`
	h := &Histogram{Count: 3, Sum: 4.5, Buckets: []Bucket{{3, -0.001, 0.001, 1}, {0, 1, math.Inf(1), 2}}}
	for data, want := range map[string]*Result{
		`{"resultType":"scalar","result":[1.5,"-Inf"]}`: {Type: "scalar", Series: []Series{{Points: []Point{{T: 1500, V: math.Inf(-1)}}}}},
		`{"resultType":"string","result":[1,"words"]}`:  {Type: "string", Text: "words"},
		`{"resultType":"vector","result":[{"metric":{"b":"2"},"value":[1,"7e+22"]},{"metric":{"a":"1"},"histogram":[1,` + histogram + `]}]}`: {Type: "vector", Series: []Series{
			{labels.FromStrings("b", "2"), []Point{{T: 1000, V: 7e22}}}, {labels.FromStrings("a", "1"), []Point{{T: 1000, H: h}}},
		}},
		`{"resultType":"matrix","result":[{"metric":{"b":"2"},"values":[[1,"1"],[3.001,"3"]],"histograms":[[2,` + histogram + `]]},{"metric":{},"values":[[1,"0"]]}]}`: {Type: "matrix", Series: []Series{
			{labels.EmptyLabels(), []Point{{T: 1000}}}, {labels.FromStrings("b", "2"), []Point{{T: 1000, V: 1}, {T: 2000, H: h}, {T: 3001, V: 3}}},
		}},
	} {
		s.body = `{"status":"success","data":` + data + `,"warnings":["a store did not answer"],"infos":["no counter"]}`
		got, err := s.remote(t, "").Instant(t.Context(), "1", 0)
		require.NoError(t, err, data)
		want.Warnings, want.Infos = []string{"a store did not answer"}, []string{"no counter"}
		require.Equal(t, want, got, data)
	}
}

func TestRemoteErrors(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{422, `{"status":"error","errorType":"execution","error":"query \u001b[2Jprocessing would load too many samples"}`, "answered 422 execution: query  [2Jprocessing would load too many samples"},
		{400, `{"status":"error","errorType":"bad_data","error":"unknown function"}`, "answered 400 bad_data: unknown function"},
		{404, "<html>not found</html>", "the answer is not that of a Thanos Query or a Prometheus: its status is 404 Not Found"},
		{200, `{"hello":"world"}`, "the answer is not that of a Thanos Query"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}`, "[1] has 1 values, want 2"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}`, "has 0 values"},
		{200, `{"status":"success","data":{"resultType":"song","result":[]}}`, `the type of the result is "song"`},
		{200, `{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}`, "not that of a Thanos Query"},
		{200, `{"status":"success","data":`, "not that of a Thanos Query"},
	} {
		s.status, s.body = c.status, c.body
		_, err := s.remote(t, "").Instant(t.Context(), "up", 0)
		require.ErrorContains(t, err, "--query.url="+s.URL, c.body)
		require.ErrorContains(t, err, c.want)
	}
	for _, address := range []string{"", "thanos:10902", "ftp://x", "http://", "http://a b", "/path"} {
		_, err := NewRemote(address, &archive.Run{})
		require.ErrorContains(t, err, "--query.url: want the address", address)
	}
	s.Close()
	r, err := NewRemote(strings.Replace(s.URL, "http://", "http://me:hush@", 1), &archive.Run{ID: runID})
	require.NoError(t, err)
	_, err = r.Instant(t.Context(), "up", 0)
	require.ErrorContains(t, err, "--query.url: ")
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hush")
}
