package pressure

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/benchkeep/benchkeep/test/harness"
)

// What docs/sizing.md promises: the memory of a run, in bytes.
const (
	memoryBase      = 96 * mib
	memoryPerSeries = 2560
)

// TestMemoryPromise sends more series than the memory limit has room for. Those
// that are too many are refused, the others go on, in the same requests too;
// the process keeps within the limit, the finish included.
//
// The limit is GOMEMLIMIT's, and what is held against it is memory that only
// the process can give back. That is what the kernel kills for, too: pages of
// files, the program's own and those of blocks, it takes away when it needs
// them. A cgroup is not made here, though some machines would allow it: it
// would take the process out of the one that whoever runs the tests has put
// them in. Of a cgroup's limit benchkeep makes GOMEMLIMIT 90 %.
func TestMemoryPromise(t *testing.T) {
	const run = "memory"
	limit := size[int64](160, 512) * mib
	fit := (limit - memoryBase) / memoryPerSeries
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := start(t, dir, bucket, run, []string{fmt.Sprintf("GOMEMLIMIT=%dB", limit)})
	if line := fmt.Sprintf("limit.series=%d", fit); !strings.Contains(r.Log(), line) {
		t.Errorf("the log does not say %s", line)
	}
	peak := watchMemory(t, r)
	m := newMany(fit)
	l := harness.NewLoad(t, r)
	for n := range m.scrapes {
		m.send(t, l, n)
	}
	if _, _, series, err := r.Head(); err != nil || series != fit {
		t.Errorf("the head has %d series, want %d: %v", series, fit, err)
	}
	l.Close()
	if status, _ := r.Finish(); status != http.StatusOK {
		t.Errorf("/finish was answered %d, want 200", status)
	}
	got := peak()
	t.Logf("peak: %d MiB, and with pages of files %d MiB, of %d MiB", got/mib, r.PeakMemory()/mib, limit/mib)
	if got > limit {
		t.Errorf("benchkeep took %d MiB, want at most the limit of %d MiB", got/mib, limit/mib)
	}
	terminate(t, r)
	checkBlocks(t, bucket)
	checkSamples(t, dir, bucket, m.stored, m.sent)
	manifest := checkManifest(t, bucket, run, m.stored)
	if manifest.Complete || manifest.Rejected["series_limit"] != m.rejected || len(manifest.Rejected) != 1 {
		t.Errorf("manifest: complete %t, rejected %v, want %d for the series limit", manifest.Complete, manifest.Rejected, m.rejected)
	}
}

// watchMemory looks at the receiver's memory all the time. The returned function
// ends that, and gives the most that was seen.
func watchMemory(t *testing.T, r *harness.Receiver) (peak func() int64) {
	stop, done := make(chan struct{}), make(chan struct{})
	var most int64
	go func() {
		defer close(done)
		often := time.NewTicker(10 * time.Millisecond)
		defer often.Stop()
		for r.Running() == nil {
			if n, err := r.AnonymousMemory(); err == nil {
				most = max(most, n)
			}
			select {
			case <-stop:
				return
			case <-often.C:
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop) })
	t.Cleanup(end)
	return func() int64 {
		end()
		<-done
		return most
	}
}

// many are the series of a run that has too many of them: first known ones
// alone, then in each request others too, of which only a few fit.
type many struct {
	start, scrapes  int64
	known, fit, all int64
	labels          labelCache

	stored, rejected int64
}

const (
	knownPerRequest = perRequest * 3 / 4
	scrapeEvery     = minute
)

func newMany(fit int64) *many {
	known := fit - 100
	requests := (known + knownPerRequest - 1) / knownPerRequest
	return &many{
		// Long enough for a window to be cut while the run goes on.
		start: windowStart(2), scrapes: (window + window*2/3) / scrapeEvery,
		known: known, fit: fit, all: known + requests*(perRequest-knownPerRequest),
		labels: labelCache{},
	}
}

// send sends all series once.
func (m *many) send(t *testing.T, l *harness.Load, n int64) {
	t.Helper()
	at := m.start + n*scrapeEvery
	var batch []prompb.TimeSeries
	next := m.known // of the others
	for from := int64(0); from < m.known; from += knownPerRequest {
		ids := sequence(from, min(from+knownPerRequest, m.known))
		if n > 0 {
			others := sequence(next, next+perRequest-knownPerRequest)
			next += int64(len(others))
			// Among the known ones, so that these are before and after them.
			ids = slices.Insert(ids, len(ids)/2, others...)
		}
		batch = fill(batch, ids, at, m.label)
		m.post(t, l, ids, batch)
	}
}

// post sends a request and checks the answer.
func (m *many) post(t *testing.T, l *harness.Load, ids []int64, batch []prompb.TimeSeries) {
	t.Helper()
	rejected := int64(0)
	for _, id := range ids {
		if id >= m.fit {
			rejected++
		}
	}
	m.stored += int64(len(ids)) - rejected
	m.rejected += rejected
	answer, err := l.Post(batch)
	switch {
	case err != nil:
		t.Fatal(err)
	case rejected == 0 && answer.Status == http.StatusNoContent:
	case rejected > 0 && answer.Status == http.StatusBadRequest && strings.Contains(answer.Body, "series_limit"):
	default:
		t.Fatalf("with %d series too many a write was answered %d: %s", rejected, answer.Status, answer.Body)
	}
}

func (m *many) sent(id, at int64) bool {
	n := (at - m.start) / scrapeEvery
	return at >= m.start && (at-m.start)%scrapeEvery == 0 && n < m.scrapes && (id < m.known || n > 0 && id < m.fit)
}

// label gives a series ten labels, as those of a cluster have.
func (m *many) label(id int64) []prompb.Label {
	if l, ok := m.labels[id]; ok {
		return l
	}
	return m.labels.of(id,
		prompb.Label{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:9090", id/250%250, id%250)},
		prompb.Label{Name: "job", Value: "server"},
		prompb.Label{Name: "le", Value: fmt.Sprint(id % 12)},
		prompb.Label{Name: "method", Value: "GET"},
		prompb.Label{Name: "namespace", Value: "default"},
		prompb.Label{Name: "node", Value: fmt.Sprintf("node-%d", id%40)},
		prompb.Label{Name: "pod", Value: fmt.Sprintf("server-%08d", id)},
		prompb.Label{Name: "service", Value: "server"},
	)
}

// sequence are the numbers [from, to).
func sequence(from, to int64) []int64 {
	ids := make([]int64, 0, to-from)
	for id := from; id < to; id++ {
		ids = append(ids, id)
	}
	return ids
}
