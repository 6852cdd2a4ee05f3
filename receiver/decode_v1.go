package receiver

import (
	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// decodeV1 decodes a prometheus.WriteRequest, the message of remote write 1.0,
// see https://prometheus.io/docs/specs/prw/remote_write_spec/. Metadata is not
// in that specification, but in what Prometheus sends. After an error the
// request holds nothing of use.
//
// The inside of labels is read by AppendLabels only: nearly all series of a
// run have been seen before, and their labels need not be read again.
func (r *request) decodeV1(body []byte) error {
	if err := r.start(body, false); err != nil {
		return err
	}
	m := message{body: body}
	for m.next() {
		switch m.num {
		case 1:
			m.err = r.seriesV1(m.sub())
		case 3:
			m.err = r.metadataV1(m.sub())
		default:
			m.skip()
		}
	}
	return m.err
}

// seriesV1 decodes a TimeSeries message.
func (r *request) seriesV1(m message) error {
	s := r.beginSeries()
	labels := labelRange{from: int32(m.pos), to: int32(m.pos)}
	for m.next() {
		switch m.num {
		case 1:
			m.bytes()
			m.bytesRun()
			labels = r.extendLabels(labels, m.tag, m.pos)
		case 2:
			m.err = r.sample(&m)
		case 3:
			m.err = exemplarV1(m.sub())
			r.Exemplars++
		case 4:
			m.err = r.nativeHistogram(m.sub())
		default:
			m.skip()
		}
	}
	if m.err != nil {
		return m.err
	}
	r.endSeries(s, labels, xxh3.Hash128Seed(r.labelFields(labels), r.seed))
	return nil
}

// extendLabels adds the label field body[from:to] to the labels of the series
// being decoded. Senders write the labels of a series one after the other, and
// then the fields are hashed and read where they are. Other fields between two
// labels are as valid, though: then the labels are brought together in the
// arena, where they hash as if they had been in one piece.
func (r *request) extendLabels(labels labelRange, from, to int) labelRange {
	switch {
	case labels.from == labels.to:
		return labelRange{from: int32(from), to: int32(to)}
	case labels.place == inBody && int(labels.to) == from:
		labels.to = int32(to)
		return labels
	case labels.place == inBody:
		start := len(r.arena)
		r.arena = append(r.arena, r.labelFields(labels)...)
		labels = labelRange{from: int32(start), place: inArena}
	}
	r.arena = append(r.arena, r.body[from:to]...)
	labels.to = int32(len(r.arena))
	return labels
}

// labelFields are the bytes of a series' label fields.
func (r *request) labelFields(labels labelRange) []byte {
	if labels.place == inArena {
		return r.arena[labels.from:labels.to]
	}
	return r.body[labels.from:labels.to]
}

// appendLabelFields decodes the label fields of a series, of which it is
// known that they are fields of the right number and type.
func appendLabelFields(dst []blockwriter.Label, m message) ([]blockwriter.Label, error) {
	for m.next() {
		if len(dst) == blockwriter.MaxLabels {
			return dst, blockwriter.ErrTooManyLabels
		}
		var l blockwriter.Label
		l, m.err = decodeLabel(m.sub())
		dst = append(dst, l)
	}
	return dst, m.err
}

// decodeLabel decodes a Label message.
func decodeLabel(m message) (l blockwriter.Label, err error) {
	if name, value, ok := m.shortPair(); ok {
		return blockwriter.Label{Name: name, Value: value}, nil
	}
	for m.next() {
		switch m.num {
		case 1:
			l.Name = m.bytes()
		case 2:
			l.Value = m.bytes()
		default:
			m.skip()
		}
	}
	return l, m.err
}

// exemplarV1 makes sure that an Exemplar message is one.
func exemplarV1(m message) error {
	for m.next() {
		switch m.num {
		case 1:
			_, m.err = decodeLabel(m.sub())
		case 2:
			m.double()
		case 3:
			m.uint()
		default:
			m.skip()
		}
	}
	return m.err
}

// metadataV1 decodes a MetricMetadata message.
func (r *request) metadataV1(m message) error {
	var d blockwriter.Metadata
	for m.next() {
		switch m.num {
		case 1:
			d.Type = metricType(m.uint())
		case 2:
			d.Name = m.bytes()
		case 4:
			d.Help = m.bytes()
		case 5:
			d.Unit = m.bytes()
		default:
			m.skip()
		}
	}
	r.Metadata = keep(r, r.Metadata, d)
	return m.err
}
