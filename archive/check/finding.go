package check

import (
	"fmt"

	"github.com/benchkeep/benchkeep/archive"
)

// A Kind says what is wrong, in one word that does not change between versions.
type Kind string

// The kinds of findings. What they have in common is the end of the word:
// missing is listed and not there, foreign is there and not listed, unreadable
// cannot be decoded, wrong is not what the bucket's other objects say or not
// what it has to be.
const (
	ManifestMissing    Kind = "manifest-missing"
	ManifestUnreadable Kind = "manifest-unreadable"
	ManifestWrong      Kind = "manifest-wrong"

	BlockMissing Kind = "block-missing"
	BlockForeign Kind = "block-foreign"
	BlockOverlap Kind = "block-overlap"

	MetaMissing    Kind = "meta-missing"
	MetaUnreadable Kind = "meta-unreadable"
	MetaWrong      Kind = "meta-wrong"

	ObjectMissing Kind = "object-missing"
	ObjectForeign Kind = "object-foreign"
	ObjectSize    Kind = "object-size"
	ObjectHash    Kind = "object-hash"

	IndexUnreadable Kind = "index-unreadable"
	IndexWrong      Kind = "index-wrong"
	// LabelsWrong is a series whose labels readers of the archive would refuse
	// or would not find.
	LabelsWrong     Kind = "labels-wrong"
	ChunkUnreadable Kind = "chunk-unreadable"
	// TimeWrong is a sample or chunk out of order, or outside of the time that
	// its block or chunk is said to span.
	TimeWrong Kind = "time-wrong"
)

// A Finding is one thing that is not as it should be.
type Finding struct {
	Kind Kind `json:"kind"`
	// Object is the name in the bucket of what the finding is about; a block's
	// is that of its folder.
	Object string `json:"object"`
	Detail string `json:"detail"`
}

func (f Finding) String() string { return fmt.Sprintf("%s %s: %s", f.Kind, f.Object, f.Detail) }

// A Verdict sums a check up. A run without findings that is not archived has
// its state for a verdict.
type Verdict string

// The verdicts beside the states.
const (
	Good   Verdict = "good"
	Broken Verdict = "broken"
)

func verdict(state archive.State, findings []Finding) Verdict {
	switch {
	case len(findings) > 0:
		return Broken
	case state == archive.StateArchived:
		return Good
	default:
		return Verdict(state)
	}
}

// maxAlike bounds the findings of one kind about one object: one flipped byte
// in a symbol is in the labels of a million series.
const maxAlike = 10

// findings collects. The zero value is ready.
type findings struct {
	list  []Finding
	alike map[Finding]*alike // keys have no detail
}

// alike counts findings of one kind about one object.
type alike struct {
	count int
	rest  int // in the list, the finding that says how many more there are
}

func (f *findings) add(kind Kind, object, format string, args ...any) {
	finding := Finding{Kind: kind, Object: object}
	if f.alike == nil {
		f.alike = map[Finding]*alike{}
	}
	a := f.alike[finding]
	if a == nil {
		a = &alike{}
		f.alike[finding] = a
	}
	a.count++
	more := a.count - maxAlike
	if more <= 0 {
		finding.Detail = fmt.Sprintf(format, args...)
		f.list = append(f.list, finding)
		return
	}
	if more == 1 {
		a.rest = len(f.list)
		f.list = append(f.list, finding)
	}
	f.list[a.rest].Detail = fmt.Sprintf("and %d more of the kind", more)
}
