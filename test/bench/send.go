package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A sender waits as Prometheus' remote write does before it tries again, and
// gives up when that does not help.
const (
	minBackoff = 30 * time.Millisecond
	maxBackoff = 5 * time.Second
	maxRetries = 100
)

// A delivery sends a load to a URL.
type delivery struct {
	*load
	url     string
	retries atomic.Int64
}

// send sends what each script has for the scrapes from (inclusive) to
// (exclusive), and returns when all of it was taken. Connections are closed
// then, as those of a Prometheus that has ended are.
func (d *delivery) send(ctx context.Context, from, to int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sending sync.WaitGroup
	for _, s := range d.scripts {
		sending.Go(func() {
			if err := d.sendScript(ctx, s, from, to); err != nil {
				cancel(err)
			}
		})
	}
	sending.Wait()
	return context.Cause(ctx) // what failed first
}

func (d *delivery) sendScript(ctx context.Context, s *script, from, to int) error {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var body []byte
	for _, requests := range s.scrapes[from:to] {
		for _, r := range requests {
			body = append(body[:0], make([]byte, r.length)...)
			if _, err := s.file.ReadAt(body, r.offset); err != nil {
				return fmt.Errorf("read request: %w", err)
			}
			if err := d.deliver(ctx, client, body, r.samples); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliver sends a request until it is taken.
func (d *delivery) deliver(ctx context.Context, client *http.Client, body []byte, samples int) error {
	backoff := minBackoff
	for range maxRetries {
		again, err := d.post(ctx, client, body, samples)
		if !again {
			return err
		}
		d.retries.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
	return fmt.Errorf("a write was not taken in %d tries", maxRetries)
}

// post sends a request once, and tells whether a sender would try again.
func (d *delivery) post(ctx context.Context, client *http.Client, body []byte, samples int) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	req.Header.Set("User-Agent", "benchkeep-bench")
	if d.protocol == remoteWrite2 {
		req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, fmt.Errorf("read answer: %w", err)
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return true, nil
	case resp.StatusCode >= 300:
		return false, fmt.Errorf("a write was answered %s: %s", resp.Status, bytes.TrimSpace(answer))
	case d.protocol == remoteWrite2:
		return false, d.checkWritten(resp.Header, samples)
	}
	return false, nil
}

// checkWritten checks what the receiver says it has stored: a sender of remote
// write 2.0 takes a request whose headers do not say so for lost.
func (d *delivery) checkWritten(h http.Header, samples int) error {
	name := "X-Prometheus-Remote-Write-Samples-Written"
	if d.histograms {
		name = "X-Prometheus-Remote-Write-Histograms-Written"
	}
	if got := h.Get(name); got != strconv.Itoa(samples) {
		return fmt.Errorf("a write of %d samples was answered %s: %q", samples, name, got)
	}
	return nil
}
