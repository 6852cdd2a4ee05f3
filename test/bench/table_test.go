package main

import (
	"strings"
	"testing"
	"time"
)

func TestTables(t *testing.T) {
	w := workload{protocol: remoteWrite1, series: 1_000_000, samples: 2, senders: 4, churn: 0.01}
	archives := func(name string) peer { return peer{name: name, title: name, archives: true} }
	results := []result{
		{
			peer: archives("benchkeep"), sent: 2_000_000, first: 1_000_000, firstCPU: 2 * time.Second, restCPU: time.Second,
			loadMemory: 512 << 20, memory: 1 << 30, finish: 2 * time.Second, finishCPU: 3 * time.Second,
			archived: 2_000_000, bytes: 50_000_000, retries: 12,
		},
		{
			peer: archives("other"), sent: 2_000_000, first: 1_000_000, firstCPU: 4 * time.Second, restCPU: 5 * time.Second,
			loadMemory: 512 << 20, memory: 3 << 30, finish: 5 * time.Second, finishCPU: 0,
			archived: 1_000_000, bytes: 25_000_000, remark: "Slow.",
		},
		{peer: peer{title: "no archive"}, sent: 2_000_000, first: 1_000_000, firstCPU: time.Second},
	}
	var got strings.Builder
	writeTables(&got, w, results)
	const want = `
### Remote write 1.0: 1,000,000 series × 2 floats, 2000 a request, 4 senders, 10,000 series replaced at each scrape

| peer       | CPU s / 1M samples | of first scrape | of the rest | RSS MiB, load | RSS MiB, end | finish s | finish CPU s | bucket MB |       archived of sent | retries |
| ---------- | -----------------: | --------------: | ----------: | ------------: | -----------: | -------: | -----------: | --------: | ---------------------: | ------: |
| benchkeep  |               1.50 |            2.00 |        1.00 |           512 |         1024 |     2.00 |         3.00 |     50.00 |          all 2,000,000 |      12 |
| other      |               4.50 |            4.00 |        5.00 |           512 |         3072 |     5.00 |         0.00 |     25.00 | 1,000,000 of 2,000,000 |       0 |
| no archive |               0.50 |            1.00 |        0.00 |             0 |            0 |     0.00 |         0.00 |         – |                      – |       0 |

other: Slow.

| peer / benchkeep | CPU s / 1M samples | of first scrape | of the rest | RSS MiB, load | RSS MiB, end | finish s | finish CPU s | bucket MB |
| ---------------- | -----------------: | --------------: | ----------: | ------------: | -----------: | -------: | -----------: | --------: |
| other            |                3.0 |             2.0 |         5.0 |           1.0 |          3.0 |      2.5 |          0.0 |       0.5 |
| no archive       |                0.3 |             0.5 |         0.0 |           0.0 |          0.0 |      0.0 |          0.0 |         – |
`
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// TestTablesWithoutRest has one scrape only: there is no rest, and nothing to
// divide by.
func TestTablesWithoutRest(t *testing.T) {
	r := result{peer: peer{title: "x"}, sent: 10, first: 10}
	for _, c := range columns() {
		if got := c.ratio(r, r); got != "–" {
			t.Errorf("%s: ratio %s", c.title, got)
		}
	}
	if got := columns()[2].figure(r); got != "–" {
		t.Errorf("figure of no samples is %s", got)
	}
}

func TestOptions(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "",
		"-series=1000000 -protocols=2.0": "",
		"-series=3":                      "-senders",
		"-samples=0":                     "-samples",
		"-churn=1":                       "-churn",
		"-protocols=3":                   "-protocols",
		"series":                         "unexpected",
	} {
		_, err := parseOptions(strings.Fields(args))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", args, err, want)
		}
	}
	if _, err := choosePeers(options{root: "../..", peers: []string{"nobody"}}); err == nil {
		t.Error("a peer that there is not was taken")
	}
}
