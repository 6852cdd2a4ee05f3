package archive

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// A Part is what the catalogue keeps of a manifest: no more than it takes to
// list runs, because a bucket may have ten thousands of them.
type Part struct {
	Object   string            `json:"-"`
	Run      string            `json:"run"`
	Part     string            `json:"part"`
	Labels   map[string]string `json:"labels"`
	Said     State             `json:"state"`
	Complete bool              `json:"complete"`

	Started   time.Time  `json:"started"`
	Finished  *time.Time `json:"finished"`
	Heartbeat time.Time  `json:"heartbeat"`

	MinTime  int64       `json:"minTime"`
	MaxTime  int64       `json:"maxTime"`
	Series   int64       `json:"series"`
	Archived int64       `json:"archived"`
	Blocks   []PartBlock `json:"blocks"`
}

// A PartBlock is what the catalogue keeps of a block that a manifest lists.
type PartBlock struct {
	ULID    ulid.ULID `json:"ulid"`
	MinTime int64     `json:"minTime"`
	MaxTime int64     `json:"maxTime"`
	Samples uint64    `json:"samples"`
	Series  uint64    `json:"series"`
	Bytes   int64     `json:"bytes"`
}

// decodePart reads a manifest of the run for the catalogue.
func decodePart(data []byte, run string) (*Part, error) {
	var m struct {
		Part

		Blocks []Block `json:"blocks"`
	}
	if err := decodeVersioned(data, &m); err != nil {
		return nil, err
	}
	if m.Run != run {
		return nil, fmt.Errorf("it is of run %q", m.Run)
	}
	if m.Said != StateRunning && m.Said != StateArchived && m.Said != StateFailed {
		return nil, fmt.Errorf("its state is %q", m.Said)
	}
	p := m.Part
	p.Blocks = make([]PartBlock, len(m.Blocks))
	for i, b := range m.Blocks {
		p.Blocks[i] = PartBlock{b.ULID, b.MinTime, b.MaxTime, b.Stats.NumSamples, b.Stats.NumSeries, b.Bytes()}
	}
	return &p, nil
}

// StateAt is the part's state as a reader of the given time has to take it.
func (p *Part) StateAt(now time.Time) State { return stateAt(p.Said, p.Heartbeat, now) }

// end is when the part's record ends, as far as is known.
func (p *Part) end() time.Time {
	if p.Finished != nil {
		return *p.Finished
	}
	return p.Heartbeat
}
