package receiver

import (
	"math"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// A request is the decoded body of a write. It decodes in place: what it holds
// points into the body, which must stay as it is until the batch was appended.
// It is made to be used again, and once its slices have grown to the size of
// the sender's requests, only histograms cost an allocation.
//
// A request is for one goroutine at a time.
type request struct {
	blockwriter.Batch

	// seed makes the hashes of label sets unpredictable for senders: it must
	// be random, and the same for all requests of the process.
	seed uint64

	// maxSize bounds what the batch may take in memory, in bytes; 0 is no bound.
	// Messages of two bytes decode to structs of many, so that a bound on the
	// body alone would be none.
	maxSize int64
	size    int64 // of the batch so far

	body []byte
	v2   bool // of remote write 2.0
	// labels tells where the labels of each series are.
	labels []labelRange
	// arena holds the label fields of series that do not have theirs in one
	// piece (1.0).
	arena []byte
	// The symbols table, its hashes, and all label references of all series (2.0).
	symbols [][]byte
	hashes  []symbolHash
	refs    []uint32
	// hashInput is what the hash of a series is taken of (2.0).
	hashInput []byte
	// histogram is the one being decoded.
	histogram wireHistogram
}

// A labelRange is where the labels of a series are: a range of the bytes, or
// references, of its place.
type labelRange struct {
	from, to int32
	place    labelPlace
}

type labelPlace uint8

const (
	inBody  labelPlace = iota // label fields of request.body
	inArena                   // label fields of request.arena
	inRefs                    // references in request.refs
)

// maxKeptBytes bounds each slice that a request keeps from one use to the
// next. The requests Prometheus sends, of 2,000 samples by default, need a
// tenth of it; what a monster request has grown beyond it is given up, or the
// pool would pin the memory of the largest request ever seen, many times over.
const maxKeptBytes = 4 << 20

// reset empties the request. It keeps the capacity of its slices within
// maxKeptBytes each, but nothing of what they point at: neither the body nor
// the histograms, which belong to the head by now.
func (r *request) reset() {
	r.Batch = blockwriter.Batch{
		Series:     emptied(r.Series),
		Samples:    emptied(r.Samples),
		Histograms: dropped(r.Histograms),
		Metadata:   dropped(r.Metadata),
	}
	r.body, r.v2, r.size = nil, false, 0
	r.labels = emptied(r.labels)
	r.arena = emptied(r.arena)
	r.symbols = dropped(r.symbols)
	r.hashes = emptied(r.hashes)
	r.refs = emptied(r.refs)
	r.hashInput = emptied(r.hashInput)
	r.histogram.reset()
}

// dropped is emptied for slices of elements that hold pointers.
func dropped[T any](s []T) []T {
	clear(s)
	return emptied(s)
}

// emptied is s without elements, and without its memory if that is too large
// to keep.
func emptied[T any](s []T) []T {
	var element T
	if cap(s) > maxKeptBytes/int(unsafe.Sizeof(element)) {
		return nil
	}
	return s[:0]
}

// start begins to decode a body. A protobuf message has less than 2 GiB, hence
// positions and counts fit an int32: none of what is counted is without bytes.
func (r *request) start(body []byte, v2 bool) error {
	r.reset()
	if len(body) > math.MaxInt32 {
		return malformed(math.MaxInt32, "longer than a protobuf message can be")
	}
	r.body, r.v2 = body, v2
	r.Batch.Labels = r
	return nil
}

// keep appends a part of the batch to s, unless the batch has become too large:
// then decoding goes on to see whether the request is malformed, but takes no
// more memory.
func keep[T any](r *request, s []T, part T) []T {
	r.size += int64(unsafe.Sizeof(part))
	if r.tooLarge() {
		return s
	}
	return append(s, part)
}

func (r *request) tooLarge() bool { return r.maxSize > 0 && r.size > r.maxSize }

// beginSeries begins a series whose samples and histograms will be the next ones.
func (r *request) beginSeries() blockwriter.Series {
	return blockwriter.Series{
		Samples:    blockwriter.Range{From: int32(len(r.Samples))},
		Histograms: blockwriter.Range{From: int32(len(r.Histograms))},
		Metadata:   -1,
	}
}

// endSeries adds the series to the batch.
func (r *request) endSeries(s blockwriter.Series, labels labelRange, hash xxh3.Uint128) {
	s.Hash = hash
	s.Samples.To = int32(len(r.Samples))
	s.Histograms.To = int32(len(r.Histograms))
	r.Series = keep(r, r.Series, s)
	r.labels = keep(r, r.labels, labels)
}

// sample decodes the Sample message that is m's current field. Both versions
// number its fields alike, but the start timestamp is unknown to 1.0.
func (r *request) sample(m *message) error {
	if value, timestamp, ok := m.shortSample(); ok {
		r.Samples = keep(r, r.Samples, blockwriter.Sample{Timestamp: timestamp, Value: value})
		return m.err
	}
	return r.anySample(m.sub())
}

func (r *request) anySample(m message) error {
	var s blockwriter.Sample
	for m.next() {
		switch {
		case m.num == 1:
			s.Value = m.double()
		case m.num == 2:
			s.Timestamp = int64(m.uint())
		case m.num == 3 && r.v2:
			s.StartTimestamp = int64(m.uint())
		default:
			m.skip()
		}
	}
	r.Samples = keep(r, r.Samples, s)
	return m.err
}

// AppendLabels implements [blockwriter.LabelReader].
func (r *request) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	at := r.labels[i]
	switch at.place {
	case inBody:
		return appendLabelFields(dst, message{body: r.body[:at.to], pos: int(at.from)})
	case inArena:
		return appendLabelFields(dst, message{body: r.arena[:at.to], pos: int(at.from)})
	default:
		if at.to-at.from > 2*blockwriter.MaxLabels {
			return r.appendRefs(dst, r.refs[at.from:at.from+2*blockwriter.MaxLabels]), blockwriter.ErrTooManyLabels
		}
		return r.appendRefs(dst, r.refs[at.from:at.to]), nil
	}
}

// maxMetricType is STATESET, the last of the types both versions know.
const maxMetricType = 7

// metricType is the type of a metric, which both versions number alike. A
// number that they do not know is no type.
func metricType(number uint64) blockwriter.MetricType {
	if t := int32(number); t >= 0 && t <= maxMetricType {
		return blockwriter.MetricType(t)
	}
	return 0
}
