package harness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// A Load sends remote-write requests in amounts of which a Sender could not
// remember every sample. It is for one goroutine at a time, and that need not
// be the test's.
type Load struct {
	url     string
	client  *http.Client
	encoded []byte
	packed  []byte
}

// NewLoad makes a load whose connection stays open until Close.
func NewLoad(t testing.TB, r *Receiver) *Load {
	t.Helper()
	l := &Load{url: r.URL + "/api/v1/write", client: &http.Client{Transport: &http.Transport{}, Timeout: Patience}}
	t.Cleanup(l.Close)
	return l
}

// Close closes the connection.
func (l *Load) Close() { l.client.CloseIdleConnections() }

// Post sends a request of remote write 1.0 once.
func (l *Load) Post(series []prompb.TimeSeries) (Response, error) {
	message := prompb.WriteRequest{Timeseries: series}
	if n := message.Size(); cap(l.encoded) < n {
		l.encoded = make([]byte, n)
	}
	n, err := message.MarshalTo(l.encoded[:cap(l.encoded)])
	if err != nil {
		return Response{}, fmt.Errorf("encode request: %w", err)
	}
	l.packed = snappy.Encode(l.packed[:cap(l.packed)], l.encoded[:n])
	req, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader(l.packed))
	if err != nil {
		return Response{}, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	req.Header.Set("User-Agent", "benchkeep-load")
	resp, err := l.client.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}
