package blockwriter

import (
	"maps"
	"sync"

	"github.com/benchkeep/benchkeep/archive"
)

// tally counts what became of samples. The zero value is ready.
type tally struct {
	received, written, startTimestamps, duplicates, exemplars int64
	rejected                                                  [numReasons]int64
	minTime, maxTime                                          int64 // of what was written; valid if written > 0
}

// wrote counts one stored sample.
func (t *tally) wrote(ts int64) {
	if t.written == 0 || ts < t.minTime {
		t.minTime = ts
	}
	if t.written == 0 || ts > t.maxTime {
		t.maxTime = ts
	}
	t.written++
}

func (t *tally) add(o *tally) {
	if o.written > 0 {
		if t.written == 0 || o.minTime < t.minTime {
			t.minTime = o.minTime
		}
		if t.written == 0 || o.maxTime > t.maxTime {
			t.maxTime = o.maxTime
		}
	}
	t.received += o.received
	t.written += o.written
	t.startTimestamps += o.startTimestamps
	t.duplicates += o.duplicates
	t.exemplars += o.exemplars
	for i, n := range o.rejected {
		t.rejected[i] += n
	}
}

// counts gives the tally in the manifest's form.
func (t *tally) counts() archive.Counts {
	rejected := map[string]int64{}
	for i, n := range t.rejected {
		if n > 0 {
			rejected[Reason(i).String()] = n
		}
	}
	return archive.Counts{
		Received:        t.received,
		Written:         t.written,
		StartTimestamps: t.startTimestamps,
		Duplicates:      t.duplicates,
		Rejected:        rejected,
	}
}

// restore fills the tally from a manifest that an earlier session left.
func (t *tally) restore(m *archive.Manifest) {
	*t = tally{
		received:        m.Received,
		written:         m.Written,
		startTimestamps: m.StartTimestamps,
		duplicates:      m.Duplicates,
		exemplars:       m.Exemplars,
		minTime:         m.MinTime,
		maxTime:         m.MaxTime,
	}
	for i := range t.rejected {
		t.rejected[i] = m.Rejected[Reason(i).String()]
	}
}

// Bounds on what a sender can make the run remember beside samples.
const (
	maxMetrics   = 100_000
	maxSenders   = 100
	maxHelpBytes = 4 << 10
)

// notes collects what senders tell beside samples, for the manifest. It is
// safe for concurrent use.
type notes struct {
	mu      sync.Mutex
	metrics map[string]archive.Metadata
	senders map[string]struct{}
}

func (n *notes) describe(metric string, m *Metadata) {
	if metric == "" || len(m.Help) > maxHelpBytes {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.metrics[metric]; !known && len(n.metrics) >= maxMetrics {
		return
	}
	n.metrics[metric] = archive.Metadata{Type: m.Type.String(), Help: string(m.Help), Unit: string(m.Unit)}
}

func (n *notes) sender(userAgent string) {
	if userAgent == "" || len(userAgent) > maxHelpBytes {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.senders[userAgent]; known || len(n.senders) >= maxSenders {
		return
	}
	n.senders[userAgent] = struct{}{}
}

// fill puts copies of the notes into a manifest.
func (n *notes) fill(m *archive.Manifest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Metrics = maps.Clone(n.metrics)
	m.Senders = sortedKeys(n.senders)
}
