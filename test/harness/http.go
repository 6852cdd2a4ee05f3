package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client closes its connections after each request: a connection that lingers
// would be one more thing that a program may wait for at its end.
var client = &http.Client{
	Timeout:   Patience,
	Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: Patience, IdleConnTimeout: time.Second},
}

func get(url string) (int, []byte, error) { return request(http.MethodGet, url) }

func request(method, url string) (int, []byte, error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// getJSON decodes what a URL answers into v.
func getJSON(url string, v any) error {
	status, body, err := get(url)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s answered %d: %s", url, status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode answer of %s: %w", url, err)
	}
	return nil
}

// metric is the sum of all series of a metric that a program shows.
func metric(url, name string) (float64, error) {
	status, body, err := get(url + "/metrics")
	if err != nil || status != http.StatusOK {
		return 0, fmt.Errorf("metrics of %s: status %d: %w", url, status, err)
	}
	sum := 0.0
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, name) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, nil
}
