package receiver

import (
	"unsafe"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// A wireHistogram is a Histogram message. It is decoded here first, because
// only the whole message tells whether its counts are integers, and how many
// buckets it has. Its slices are used for one histogram after the other.
type wireHistogram struct {
	timestamp, startTimestamp int64
	// Of either oneof, the field that came last is set, the other zero.
	count, zeroCount           uint64
	countFloat, zeroCountFloat float64
	isFloat                    bool
	hint                       histogram.CounterResetHint
	schema                     int32
	sum, zeroThreshold         float64
	negative, positive         wireBuckets
	customValues               []float64
}

// wireBuckets are the buckets of one side: deltas in integer histograms,
// counts in float ones.
type wireBuckets struct {
	spans  []histogram.Span
	deltas []int64
	counts []float64
}

// histogramSize is what a histogram takes beside its place in the batch and its
// buckets, which take little more than on the wire.
const histogramSize = int64(unsafe.Sizeof(histogram.FloatHistogram{}))

// nativeHistogram decodes a Histogram message. It is the same in both versions
// but for the start timestamp, which is unknown to 1.0. Nothing is validated
// beyond the encoding.
func (r *request) nativeHistogram(m message) error {
	r.histogram.reset()
	// A byte can be a bucket: eight bytes in memory, and eight in the copy that
	// the head keeps.
	r.size += int64(len(m.body)-m.pos) * 16
	if r.tooLarge() {
		return errTooLarge
	}
	if err := r.histogram.decode(m, r.v2); err != nil {
		return err
	}
	r.size += histogramSize
	if !r.tooLarge() {
		r.Histograms = keep(r, r.Histograms, r.histogram.sample())
	}
	return nil
}

// reset empties the histogram, but keeps its slices as a request does.
func (h *wireHistogram) reset() {
	*h = wireHistogram{
		negative:     h.negative.emptied(),
		positive:     h.positive.emptied(),
		customValues: emptied(h.customValues),
	}
}

func (b *wireBuckets) emptied() wireBuckets {
	return wireBuckets{spans: emptied(b.spans), deltas: emptied(b.deltas), counts: emptied(b.counts)}
}

func (h *wireHistogram) decode(m message, v2 bool) error {
	for m.next() {
		switch m.num {
		case 1:
			h.count, h.countFloat, h.isFloat = m.uint(), 0, false
		case 2:
			h.count, h.countFloat, h.isFloat = 0, m.double(), true
		case 3:
			h.sum = m.double()
		case 4:
			h.schema = sint32(m.uint())
		case 5:
			h.zeroThreshold = m.double()
		case 6:
			h.zeroCount, h.zeroCountFloat = m.uint(), 0
		case 7:
			h.zeroCount, h.zeroCountFloat = 0, m.double()
		case 8, 9, 10:
			h.negative.decode(&m, m.num-8)
		case 11, 12, 13:
			h.positive.decode(&m, m.num-11)
		case 14:
			// The type is a byte: of a number that is no hint the low bits
			// remain, as with Prometheus.
			h.hint = histogram.CounterResetHint(m.uint())
		case 15:
			h.timestamp = int64(m.uint())
		case 16:
			h.customValues = appendDoubles(h.customValues, &m)
		default:
			h.decodeStart(&m, v2)
		}
	}
	return m.err
}

// decodeStart decodes the one field that 2.0 has and 1.0 has not.
func (h *wireHistogram) decodeStart(m *message, v2 bool) {
	if v2 && m.num == 17 {
		h.startTimestamp = int64(m.uint())
		return
	}
	m.skip()
}

// decode decodes one of the three fields of a side: spans, deltas or counts.
func (b *wireBuckets) decode(m *message, field int32) {
	switch field {
	case 0:
		var s histogram.Span
		s, m.err = bucketSpan(m.sub())
		b.spans = append(b.spans, s)
	case 1:
		b.deltas = appendDeltas(b.deltas, m)
	default:
		b.counts = appendDoubles(b.counts, m)
	}
}

// bucketSpan decodes a BucketSpan message.
func bucketSpan(m message) (s histogram.Span, err error) {
	for m.next() {
		switch m.num {
		case 1:
			s.Offset = sint32(m.uint())
		case 2:
			s.Length = uint32(m.uint())
		default:
			m.skip()
		}
	}
	return s, m.err
}

// appendDeltas reads a repeated sint64 field.
func appendDeltas(dst []int64, m *message) []int64 {
	for end := m.elements(varintType); m.more(end); {
		dst = append(dst, sint64(m.varint()))
	}
	return dst
}

// appendDoubles reads a repeated double field.
func appendDoubles(dst []float64, m *message) []float64 {
	for end := m.elements(fixed64Type); m.more(end); {
		dst = append(dst, m.fixed64())
	}
	return dst
}

// sample makes the histogram that the head is to keep: of exact size, and with
// no memory in common with the request.
func (h *wireHistogram) sample() blockwriter.Histogram {
	s := blockwriter.Histogram{Timestamp: h.timestamp, StartTimestamp: h.startTimestamp}
	if h.isFloat {
		s.Float = h.toFloat()
	} else {
		s.Int = h.toInt()
	}
	return s
}

func (h *wireHistogram) toInt() *histogram.Histogram {
	return &histogram.Histogram{
		CounterResetHint: h.hint,
		Schema:           h.schema,
		ZeroThreshold:    h.zeroThreshold,
		ZeroCount:        h.zeroCount,
		Count:            h.count,
		Sum:              h.sum,
		PositiveSpans:    exact(h.positive.spans),
		PositiveBuckets:  exact(h.positive.deltas),
		NegativeSpans:    exact(h.negative.spans),
		NegativeBuckets:  exact(h.negative.deltas),
		CustomValues:     exact(h.customValues),
	}
}

func (h *wireHistogram) toFloat() *histogram.FloatHistogram {
	return &histogram.FloatHistogram{
		CounterResetHint: h.hint,
		Schema:           h.schema,
		ZeroThreshold:    h.zeroThreshold,
		ZeroCount:        h.zeroCountFloat,
		Count:            h.countFloat,
		Sum:              h.sum,
		PositiveSpans:    exact(h.positive.spans),
		PositiveBuckets:  exact(h.positive.counts),
		NegativeSpans:    exact(h.negative.spans),
		NegativeBuckets:  exact(h.negative.counts),
		CustomValues:     exact(h.customValues),
	}
}

// exact is a copy of s with no room to spare, nil if s is empty.
func exact[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	c := make([]T, len(s))
	copy(c, s)
	return c
}
