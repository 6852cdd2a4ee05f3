package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// TestLoad sends loads to a server that remembers them: every sample of the
// workload has to come exactly once, with the value that it has.
func TestLoad(t *testing.T) {
	for _, w := range []workload{
		{protocol: remoteWrite1, series: 5003, samples: 3, senders: 2},
		{protocol: remoteWrite2, series: 5003, samples: 3, senders: 2},
		{protocol: remoteWrite1, series: 40, samples: 9, senders: 3, churn: 0.3},
		{protocol: remoteWrite2, series: 40, samples: 9, senders: 3, churn: 0.3},
		{protocol: remoteWrite1, series: 7, samples: 2, senders: 7, histograms: true},
		{protocol: remoteWrite2, series: 7, samples: 2, senders: 7, histograms: true},
	} {
		t.Run(fmt.Sprintf("%s %s", w, w.sizes()), func(t *testing.T) {
			var got sink
			server := httptest.NewServer(&got)
			defer server.Close()
			l, err := encodeLoad(t.Context(), t.TempDir(), w)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			d := &delivery{load: l, url: server.URL}
			if err := d.send(t.Context(), 0, w.samples); err != nil {
				t.Fatal(err)
			}
			checkSent(t, l, got.samples)
			if d.retries.Load() != 0 {
				t.Errorf("%d retries", d.retries.Load())
			}
		})
	}
}

// checkSent compares samples with what the workload says they are.
func checkSent(t *testing.T, l *load, got map[string]int) {
	t.Helper()
	want := map[string]int{}
	for scrape := range l.samples {
		for slot := range l.series {
			id, at := l.id(slot, scrape), l.begin+int64(scrape)*15_000
			v := fmt.Sprint(value(id, scrape))
			if l.histograms {
				v = nativeHistogram(id, scrape).String()
			}
			want[sampleKey(seriesLabels(id), at, v)]++
		}
	}
	if int64(len(want)) != l.total() {
		t.Fatalf("the workload has %d different samples, want %d", len(want), l.total())
	}
	if !maps.Equal(want, got) {
		t.Errorf("%d different samples arrived, and they are not the %d of the workload", len(got), len(want))
	}
}

func sampleKey(l labels.Labels, t int64, v string) string { return fmt.Sprintf("%s %d %s", l, t, v) }

// A sink takes remote write and counts how often it has come across each sample.
type sink struct {
	mu      sync.Mutex
	samples map[string]int
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.samples == nil {
		s.samples = map[string]int{}
	}
	floats, histograms, err := s.take(body, strings.Contains(r.Header.Get("Content-Type"), "v2"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(floats))
	w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", fmt.Sprint(histograms))
	w.WriteHeader(http.StatusNoContent)
}

func (s *sink) take(body []byte, v2 bool) (floats, histograms int, err error) {
	var builder labels.ScratchBuilder
	if !v2 {
		var request prompb.WriteRequest
		err = request.Unmarshal(body)
		for _, series := range request.Timeseries {
			l := series.ToLabels(&builder, nil)
			for _, sample := range series.Samples {
				s.samples[sampleKey(l, sample.Timestamp, fmt.Sprint(sample.Value))]++
				floats++
			}
			for _, h := range series.Histograms {
				s.samples[sampleKey(l, h.Timestamp, h.ToIntHistogram().String())]++
				histograms++
			}
		}
		return floats, histograms, err
	}
	var request writev2.Request
	err = request.Unmarshal(body)
	for _, series := range request.Timeseries {
		l, err := series.ToLabels(&builder, request.Symbols)
		if err != nil {
			return floats, histograms, err
		}
		for _, sample := range series.Samples {
			s.samples[sampleKey(l, sample.Timestamp, fmt.Sprint(sample.Value))]++
			floats++
		}
		for _, h := range series.Histograms {
			s.samples[sampleKey(l, h.Timestamp, h.ToIntHistogram().String())]++
			histograms++
		}
	}
	return floats, histograms, err
}

// TestAnswers checks what a sender does with answers that are not plain success.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []int
		retries int64
		fails   bool
	}{
		{"busy", []int{503, 429, 500, 204}, 3, false},
		{"success of any kind", []int{200}, 0, false},
		{"refused", []int{400}, 0, true},
		{"busy, then refused", []int{503, 410}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			left := c.answers
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(left[0])
				left = left[1:]
			}))
			defer server.Close()
			d := &delivery{load: &load{workload: workload{protocol: remoteWrite1}}, url: server.URL}
			err := d.deliver(context.Background(), http.DefaultClient, []byte("body"), 1)
			if (err != nil) != c.fails {
				t.Errorf("error %v", err)
			}
			if got := d.retries.Load(); got != c.retries || len(left) > 0 {
				t.Errorf("%d retries, %d answers not asked for; want %d and none", got, len(left), c.retries)
			}
		})
	}
}
