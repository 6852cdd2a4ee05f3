package blockwriter

import (
	"maps"
	"slices"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// Status is what a run tells of itself while it lives, and what it sums up at
// the end. Times without a unit in their name are RFC 3339, minTime and
// maxTime Unix ms.
type Status struct {
	Run      string            `json:"run"`
	Part     string            `json:"part"`
	Labels   map[string]string `json:"labels"`
	State    State             `json:"state"`
	Complete bool              `json:"complete"`
	Trigger  string            `json:"trigger,omitempty"`
	Error    string            `json:"error,omitempty"`
	Started  time.Time         `json:"started"`
	Finished *time.Time        `json:"finished,omitempty"`
	MinTime  int64             `json:"minTime"`
	MaxTime  int64             `json:"maxTime"`
	Series   int64             `json:"series"`

	archive.Counts

	// Archived counts the samples in the bucket's complete blocks.
	Archived  int64          `json:"archived"`
	Exemplars int64          `json:"exemplarsDropped"`
	Head      HeadStatus     `json:"head"`
	Blocks    []BlockStatus  `json:"blocks"`
	Upload    UploadProgress `json:"upload"`
	// EstimatedFinishSeconds is what cutting and shipping would take if the run
	// ended now, from the rates measured so far: the drain comes on top. It is
	// zero behind the fence.
	EstimatedFinishSeconds float64 `json:"estimatedFinishSeconds"`
	Bucket                 string  `json:"bucket"`
	Manifest               string  `json:"manifest"`
}

// HeadStatus tells what is in memory. The range is zero while it is empty.
type HeadStatus struct {
	Series  uint64 `json:"series"`
	MinTime int64  `json:"minTime"`
	MaxTime int64  `json:"maxTime"`
}

// BlockStatus is a block that is complete in the bucket.
type BlockStatus struct {
	ULID    string `json:"ulid"`
	MinTime int64  `json:"minTime"`
	MaxTime int64  `json:"maxTime"`
	Samples uint64 `json:"samples"`
	Bytes   int64  `json:"bytes"`
}

// UploadProgress is how far the shipping under way is, or the last one was.
type UploadProgress struct {
	Blocks     int64 `json:"blocks"`
	BlocksDone int64 `json:"blocksDone"`
	Bytes      int64 `json:"bytes"`
	BytesDone  int64 `json:"bytesDone"`
}

// Status tells how the run is.
func (r *Run) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.rec.Manifest
	s := Status{
		Run:       m.Run,
		Part:      m.Part,
		Labels:    maps.Clone(m.Labels),
		State:     r.state,
		Complete:  m.Complete,
		Trigger:   m.Trigger,
		Error:     m.Error,
		Started:   m.Started,
		Finished:  m.Finished,
		MinTime:   r.totals.minTime,
		MaxTime:   r.totals.maxTime,
		Series:    m.Series,
		Counts:    r.totals.counts(),
		Exemplars: r.totals.exemplars,
		Blocks:    []BlockStatus{},
		Bucket:    r.opts.Bucket.Name(),
		Manifest:  m.Object(),

		EstimatedFinishSeconds: r.estimateFinish().Seconds(),

		Upload: UploadProgress{
			Blocks:     r.upload.blocks.Load(),
			BlocksDone: r.upload.blocksDone.Load(),
			Bytes:      r.upload.bytes.Load(),
			BytesDone:  r.upload.bytesDone.Load(),
		},
	}
	for _, b := range m.Blocks {
		s.Archived += int64(b.Stats.NumSamples)
		s.Blocks = append(s.Blocks, BlockStatus{
			ULID: b.ULID.String(), MinTime: b.MinTime, MaxTime: b.MaxTime,
			Samples: b.Stats.NumSamples, Bytes: b.Bytes(),
		})
	}
	if r.headOpen() {
		head := r.db.Head()
		s.Head.Series = head.NumSeries()
		if mint, maxt := head.MinTime(), head.MaxTime(); mint <= maxt {
			s.Head.MinTime, s.Head.MaxTime = mint, maxt
		}
	}
	return s
}

// headOpen reports whether there is a head to look at. The caller holds mu.
func (r *Run) headOpen() bool {
	return !slices.Contains([]State{StateStarting, StateArchived}, r.state) && r.db != nil
}
