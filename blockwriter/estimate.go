package blockwriter

import (
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// pace is how fast the run has turned out to cut and to upload. What has not
// been measured yet is what two processors and a bucket nearby do. It is safe
// for concurrent use.
type pace struct {
	mu     sync.Mutex
	cuts   float64 // time of the last cut, as a multiple of usualCut
	upload float64 // bytes/s of the last block
}

// What is usual: measured with BenchmarkCut, and a slow disk or network.
const (
	cutPerSeries  = 4 * time.Microsecond
	cutPerSample  = 40 * time.Nanosecond
	usualUpload   = 50 << 20 // bytes/s
	bytesInSample = 2
	bytesInSeries = 240

	// Less than this says more about latency than about the rate.
	leastMeasured = 1 << 20 // bytes
)

func usualCut(series, samples uint64) time.Duration {
	return time.Duration(series)*cutPerSeries + time.Duration(samples)*cutPerSample
}

func (p *pace) sawCut(stats tsdb.BlockStats, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if usual := usualCut(stats.NumSeries, stats.NumSamples); usual > 10*time.Millisecond {
		p.cuts = took.Seconds() / usual.Seconds()
	}
}

func (p *pace) sawUpload(bytes int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes > leastMeasured {
		p.upload = float64(bytes) / took.Seconds()
	}
}

// estimate is how long it takes to cut and to upload so much.
func (p *pace) estimate(series, samples uint64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	cuts, upload := p.cuts, p.upload
	if cuts == 0 {
		cuts = 1
	}
	if upload == 0 {
		upload = usualUpload
	}
	bytes := float64(series*bytesInSeries + samples*bytesInSample)
	return time.Duration((cuts*usualCut(series, samples).Seconds() + bytes/upload) * float64(time.Second))
}

// estimateFinish is what a finish would take if it began now, without the drain,
// which is up to the writers. The caller holds mu.
func (r *Run) estimateFinish() time.Duration {
	if r.db == nil || r.state != StateOpen && r.state != StateDraining {
		return 0
	}
	return r.pace.estimate(r.db.Head().NumSeries(), r.samplesInHead())
}

// samplesInHead is how many samples are in no block of the bucket. The caller
// holds mu.
func (r *Run) samplesInHead() uint64 {
	n := r.totals.written
	for _, b := range r.rec.Manifest.Blocks {
		n -= int64(b.Stats.NumSamples)
	}
	return uint64(max(n, 0))
}

// foresee warns while there is time where the finish will not get through, once
// each time it comes to that.
func (r *Run) foresee() {
	r.mu.Lock()
	estimate := r.estimateFinish()
	r.mu.Unlock()
	tooLong := estimate > r.opts.FinishTimeout
	if tooLong && !r.foreseen {
		r.logger.Warn("the finish is expected to take longer than it may; allow more with --finish.timeout, and in Kubernetes with terminationGracePeriodSeconds above it",
			"estimate", estimate.Round(time.Millisecond), "finish.timeout", r.opts.FinishTimeout)
	}
	r.foreseen = tooLong
}
