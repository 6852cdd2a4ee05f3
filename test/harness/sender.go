package harness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// A Sample is a float sample to send. Start is its start timestamp, zero for
// none; remote write 1.0 has no place for one.
type Sample struct {
	T, Start int64
	V        float64
}

// A Histogram is a native histogram to send: one of Int and Float is set.
type Histogram struct {
	T, Start int64
	Int      *histogram.Histogram
	Float    *histogram.FloatHistogram
}

func (h Histogram) point() Point {
	if h.Int != nil {
		return HistogramPoint(h.T, h.Int)
	}
	return FloatHistogramPoint(h.T, h.Float)
}

// A TimeSeries is a part of a remote-write request.
type TimeSeries struct {
	Labels     labels.Labels
	Samples    []Sample
	Histograms []Histogram
	// Type, Help and Unit are the metric's metadata; remote write 2.0 only.
	Type       writev2.Metadata_MetricType
	Help, Unit string
	// Exemplars is how many exemplars to send along; remote write 2.0 only.
	Exemplars int
	// Created is the per-series created timestamp of remote write 2.0's first
	// release candidate, zero for none.
	Created int64
}

// A Response is what a remote-write request was answered.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// A Sender sends remote-write requests and remembers what was acknowledged.
// It is for one goroutine at a time.
type Sender struct {
	// Acknowledged is every sample that Send sent, and every one that Offer
	// offered with success.
	Acknowledged Set
	// Unknown are the batches that Offer offered in vain, in order: what is in
	// them may be stored or not.
	Unknown [][]TimeSeries

	t      testing.TB
	url    string
	v2     bool
	client *http.Client
}

// NewSender makes a sender of one of the two remote-write messages. Its
// connection stays open until Close, as Prometheus' does.
func NewSender(t testing.TB, r *Receiver, message string) *Sender {
	t.Helper()
	s := &Sender{
		Acknowledged: Set{},
		t:            t,
		url:          r.URL + "/api/v1/write",
		v2:           message == RemoteWriteV2,
		client:       &http.Client{Transport: &http.Transport{}, Timeout: Patience},
	}
	t.Cleanup(s.Close)
	return s
}

// Close closes the sender's connection.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send sends series that the receiver has to take, and remembers them.
func (s *Sender) Send(series ...TimeSeries) {
	s.t.Helper()
	s.Resend(series...)
	addTo(s.Acknowledged, series)
}

func addTo(set Set, series []TimeSeries) {
	for _, ts := range series {
		for _, sample := range ts.Samples {
			set.Add(ts.Labels, FloatPoint(sample.T, sample.V))
		}
		for _, h := range ts.Histograms {
			set.Add(ts.Labels, h.point())
		}
	}
}

// Offer sends series once to a receiver that may be in trouble or gone, and
// tells whether they were acknowledged. If not, their fate is unknown; Retry
// sends them again. An answer that makes a sender drop the batch is an error.
func (s *Sender) Offer(series ...TimeSeries) bool {
	s.t.Helper()
	response, err := s.try(series)
	switch {
	case err == nil && response.Status == http.StatusNoContent:
		addTo(s.Acknowledged, series)
		return true
	case err == nil && response.Status < http.StatusInternalServerError:
		s.t.Errorf("write was answered %d, a sender would drop it: %s", response.Status, response.Body)
	}
	s.Unknown = append(s.Unknown, series)
	return false
}

// Retry sends again, in order, what was offered in vain. The receiver has to
// take it now.
func (s *Sender) Retry() {
	s.t.Helper()
	s.Close() // a connection to a receiver that is gone is of no use
	for _, series := range s.Unknown {
		s.Send(series...)
	}
	s.Unknown = nil
}

// Uncertain is every sample whose fate is unknown.
func (s *Sender) Uncertain() Set {
	set := Set{}
	for _, series := range s.Unknown {
		addTo(set, series)
	}
	return set
}

// Resend sends series that the receiver has to take, but that are no news. A
// receiver that is busy may ask to try again, as it may ask Prometheus.
func (s *Sender) Resend(series ...TimeSeries) {
	s.t.Helper()
	var response Response
	Until(s.t, "a write to be taken", func() error {
		response = s.Try(series...)
		if response.Status == http.StatusServiceUnavailable {
			return fmt.Errorf("answer %d: %s", response.Status, response.Body)
		}
		return nil
	})
	if response.Status != http.StatusNoContent {
		s.t.Fatalf("write was answered %d: %s", response.Status, response.Body)
	}
	if s.v2 {
		s.checkWritten(response.Header, series)
	}
}

// checkWritten checks the headers that a sender of remote write 2.0 goes by.
func (s *Sender) checkWritten(h http.Header, series []TimeSeries) {
	s.t.Helper()
	want := map[string]int{"Samples": 0, "Histograms": 0, "Exemplars": 0}
	for _, ts := range series {
		want["Samples"] += len(ts.Samples)
		want["Histograms"] += len(ts.Histograms)
	}
	for what, n := range want {
		name := "X-Prometheus-Remote-Write-" + what + "-Written"
		if got := h.Get(name); got != strconv.Itoa(n) {
			s.t.Errorf("%s is %q, want %d", name, got, n)
		}
	}
}

// Try sends series and gives the answer, whatever it is.
func (s *Sender) Try(series ...TimeSeries) Response {
	s.t.Helper()
	response, err := s.try(series)
	if err != nil {
		s.t.Fatalf("write: %v", err)
	}
	return response
}

func (s *Sender) try(series []TimeSeries) (Response, error) {
	s.t.Helper()
	message, contentType, version := s.encodeV1, "application/x-protobuf", "0.1.0"
	if s.v2 {
		message, contentType, version = s.encodeV2, contentType+";proto="+RemoteWriteV2, "2.0.0"
	}
	req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(snappy.Encode(nil, message(series))))
	if err != nil {
		s.t.Fatalf("make request: %v", err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	req.Header.Set("User-Agent", "benchkeep-e2e")
	resp, err := s.client.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Response{}, fmt.Errorf("read answer: %w", err)
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, nil
}

func (s *Sender) encodeV1(series []TimeSeries) []byte {
	var req prompb.WriteRequest
	for _, ts := range series {
		out := prompb.TimeSeries{Labels: prompb.FromLabels(ts.Labels, nil)}
		for _, sample := range ts.Samples {
			out.Samples = append(out.Samples, prompb.Sample{Timestamp: sample.T, Value: sample.V})
		}
		for _, h := range ts.Histograms {
			if h.Int != nil {
				out.Histograms = append(out.Histograms, prompb.FromIntHistogram(h.T, h.Int))
			} else {
				out.Histograms = append(out.Histograms, prompb.FromFloatHistogram(h.T, h.Float))
			}
		}
		req.Timeseries = append(req.Timeseries, out)
	}
	return s.marshalled(req.Marshal())
}

func (s *Sender) encodeV2(series []TimeSeries) []byte {
	symbols := writev2.NewSymbolTable()
	var req writev2.Request
	for _, ts := range series {
		req.Timeseries = append(req.Timeseries, ts.v2(&symbols))
	}
	req.Symbols = symbols.Symbols()
	return s.marshalled(req.Marshal())
}

func (ts TimeSeries) v2(symbols *writev2.SymbolsTable) writev2.TimeSeries {
	out := writev2.TimeSeries{
		LabelsRefs: symbols.SymbolizeLabels(ts.Labels, nil),
		Metadata: writev2.Metadata{
			Type: ts.Type, HelpRef: symbols.Symbolize(ts.Help), UnitRef: symbols.Symbolize(ts.Unit),
		},
	}
	for _, sample := range ts.Samples {
		out.Samples = append(out.Samples, writev2.Sample{
			Timestamp: sample.T, StartTimestamp: sample.Start, Value: sample.V,
		})
	}
	for _, h := range ts.Histograms {
		if h.Int != nil {
			out.Histograms = append(out.Histograms, writev2.FromIntHistogram(h.Start, h.T, h.Int))
		} else {
			out.Histograms = append(out.Histograms, writev2.FromFloatHistogram(h.Start, h.T, h.Float))
		}
	}
	for i := range ts.Exemplars {
		trace := symbols.SymbolizeLabels(labels.FromStrings("trace_id", strconv.Itoa(i)), nil)
		out.Exemplars = append(out.Exemplars, writev2.Exemplar{
			LabelsRefs: trace, Value: float64(i), Timestamp: time.Now().UnixMilli(),
		})
	}
	if ts.Created != 0 {
		// Field 6, a varint. The library's message has dropped the field,
		// senders of the time have not.
		out.XXX_unrecognized = binary.AppendUvarint([]byte{6 << 3}, uint64(ts.Created))
	}
	return out
}

func (s *Sender) marshalled(b []byte, err error) []byte {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("encode request: %v", err)
	}
	return b
}
