package main

import (
	"slices"
	"strings"
	"testing"
)

// TestMeasure runs the whole program with hardly anything to do, and checks
// that what the tables say can be true.
func TestMeasure(t *testing.T) {
	for name, o := range map[string]options{
		"remote write 1.0": {
			peers:    []string{"benchkeep", "thanos", "prometheus"},
			workload: workload{protocol: remoteWrite1, series: 200, samples: 5, senders: 4},
		},
		"remote write 2.0, churn": {
			peers:    []string{"benchkeep", "prometheus"},
			workload: workload{protocol: remoteWrite2, series: 200, samples: 5, senders: 3, churn: 0.1},
		},
		"histograms": {
			peers:    []string{"benchkeep", "thanos"},
			workload: workload{protocol: remoteWrite1, series: 50, samples: 5, senders: 1, histograms: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o.root = "../.."
			peers, err := choosePeers(o)
			if err != nil {
				t.Fatal(err)
			}
			results, err := measureAll(t.Context(), peers, o.workload)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range results {
				names = append(names, r.peer.name)
				checkResult(t, r, o.workload)
			}
			if !slices.Equal(names, o.peers) {
				t.Errorf("measured %v, want %v", names, o.peers)
			}
			var tables strings.Builder
			writeTables(&tables, o.workload, results)
			if want := "all " + thousands(o.workload.total()); !strings.Contains(tables.String(), want) {
				t.Errorf("the tables do not say %q:\n%s", want, tables.String())
			}
		})
	}
}

func checkResult(t *testing.T, r result, w workload) {
	t.Helper()
	if want := int64(w.series) * int64(w.samples); r.sent != want || r.first != int64(w.series) {
		t.Errorf("%s: %d samples sent, %d of them first; want %d and %d", r.peer.title, r.sent, r.first, want, w.series)
	}
	// Thanos Receive loses the last scrape; the others have everything.
	if r.archived > r.sent || r.archived < r.sent-int64(w.series) || r.peer.name != "thanos" && r.archived != r.sent {
		t.Errorf("%s: %d of %d samples archived", r.peer.title, r.archived, r.sent)
	}
	if r.firstCPU < 0 || r.restCPU < 0 || r.finishCPU <= 0 || r.finish <= 0 {
		t.Errorf("%s: CPU time %s and %s, finish %s with %s", r.peer.title, r.firstCPU, r.restCPU, r.finish, r.finishCPU)
	}
	if r.loadMemory <= 0 || r.memory < r.loadMemory || r.bytes <= 0 {
		t.Errorf("%s: %d bytes of memory after the load, %d in all, %d in the bucket", r.peer.title, r.loadMemory, r.memory, r.bytes)
	}
}
