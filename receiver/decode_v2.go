package receiver

import (
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// decodeV2 decodes an io.prometheus.write.v2.Request, the message of remote
// write 2.0, see https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/.
// After an error the request holds nothing of use.
//
// Strings are in a symbols table that series refer to. It comes first with all
// known senders, but fields of a message may come in any order, hence the
// table is read before anything that refers to it.
func (r *request) decodeV2(body []byte) error {
	if err := r.start(body, true); err != nil {
		return err
	}
	firstSeries, err := r.readSymbols(message{body: body})
	if err != nil {
		return err
	}
	m := message{body: body, pos: firstSeries}
	for m.next() {
		switch m.num {
		case 5:
			m.err = r.seriesV2(m.sub())
		default:
			m.skip()
		}
	}
	return m.err
}

// A symbolHash is the hash of a symbol, as bytes because hashes are hashed.
type symbolHash [16]byte

// readSymbols reads the symbols table of a Request message and tells where
// its first series is. Each symbol is hashed once, whatever the number of
// series that refer to it. Hashing all of them here takes as long as hashing
// them when they are first referred to, because nearly all are, and is simpler.
func (r *request) readSymbols(m message) (firstSeries int, err error) {
	firstSeries = len(m.body)
	for m.next() {
		switch m.num {
		case 4:
			symbol := m.bytes()
			r.symbols = keep(r, r.symbols, symbol)
			r.hashes = keep(r, r.hashes, xxh3.Hash128Seed(symbol, r.seed).Bytes())
		case 5:
			firstSeries = min(firstSeries, m.tag)
			m.bytes()
		default:
			m.skip()
		}
	}
	if m.err != nil {
		return 0, m.err
	}
	// The specification wants the empty string as the first symbol, for the
	// references of optional strings. Only a request of nothing has no table.
	switch {
	case len(r.symbols) > 0 && len(r.symbols[0]) > 0:
		return 0, malformed(0, "symbols table that does not begin with the empty string")
	case len(r.symbols) == 0 && firstSeries < len(m.body):
		return 0, malformed(firstSeries, "series without a symbols table")
	}
	return firstSeries, nil
}

// seriesV2 decodes a TimeSeries message.
func (r *request) seriesV2(m message) error {
	s := r.beginSeries()
	start, labels := m.pos, labelRange{from: int32(len(r.refs)), place: inRefs}
	var metadata metadataV2
	var created int64
	for m.next() {
		switch m.num {
		case 1:
			r.labelRefs(&m)
		case 2:
			m.err = r.sample(&m)
		case 3:
			m.err = r.nativeHistogram(m.sub())
		case 4:
			m.err = exemplarV2(m.sub())
			r.Exemplars++
		case 5:
			if !m.emptyBytes() { // as it is from most senders
				m.err = metadata.decode(m.sub())
			}
		case 6:
			created = createdTimestamp(&m, created)
		default:
			m.skip()
		}
	}
	if m.err != nil {
		return m.err
	}
	labels.to = int32(len(r.refs))
	if r.tooLarge() {
		return nil
	}
	hash, err := r.hashRefs(start, r.refs[labels.from:labels.to])
	if err != nil {
		return err
	}
	if s.Metadata, err = r.metadataV2(start, metadata); err != nil {
		return err
	}
	if r.endSeries(s, labels, hash); created != 0 && !r.tooLarge() {
		r.applyCreated(r.Series[len(r.Series)-1], created)
	}
	return nil
}

// labelRefs reads the references of a series' labels, in pairs of name and
// value, but not necessarily all of them in one field.
func (r *request) labelRefs(m *message) {
	refs, end := r.refs, m.elements(varintType)
	// In memory a reference takes four bytes, and sixteen while it is hashed.
	r.size += int64(end-m.pos) * (4 + 16)
	if r.tooLarge() {
		m.err = errTooLarge
		return
	}
	for m.more(end) {
		refs = m.appendShort(refs, end)
		if m.more(end) {
			refs = append(refs, uint32(m.varint()))
		}
	}
	r.refs = refs
}

// hashRefs hashes the labels of the series that starts at the given position.
// The hash is that of the symbols' hashes in a row. As each is 128 bits wide,
// two rows are equal only if they refer to equal symbols in equal order: names
// and values cannot trade places, nor bytes between them. And as each is of a
// seed, a sender cannot choose what is hashed, and the row needs no seed.
func (r *request) hashRefs(start int, refs []uint32) (hash xxh3.Uint128, err error) {
	if len(refs)%2 != 0 {
		return hash, malformed(start, fmt.Sprintf("odd number of %d label references in the series", len(refs)))
	}
	input := r.hashInput[:0]
	for _, ref := range refs {
		if uint64(ref) >= uint64(len(r.hashes)) {
			return hash, r.badRef(start, ref)
		}
		input = append(input, r.hashes[ref][:]...)
	}
	r.hashInput = input
	return xxh3.Hash128(input), nil
}

// appendRefs appends the labels that checked references refer to.
func (r *request) appendRefs(dst []blockwriter.Label, refs []uint32) []blockwriter.Label {
	for i := 0; i < len(refs); i += 2 {
		dst = append(dst, blockwriter.Label{Name: r.symbols[refs[i]], Value: r.symbols[refs[i+1]]})
	}
	return dst
}

// badRef tells of a reference beyond the symbols table.
func (r *request) badRef(start int, ref uint32) error {
	return malformed(start, fmt.Sprintf("reference to symbol %d of %d in the series", ref, len(r.symbols)))
}

// createdTimestamp reads the created timestamp that series had before 2.0 was
// final. Its number is reserved now: of another type it is an unknown field.
func createdTimestamp(m *message, created int64) int64 {
	if m.typ == varintType {
		return int64(m.varint())
	}
	m.skip()
	return created
}

// applyCreated gives the created timestamp of a series to those of its samples
// and histograms that have no start timestamp of their own.
func (r *request) applyCreated(s blockwriter.Series, created int64) {
	samples := r.Samples[s.Samples.From:s.Samples.To]
	for i := range samples {
		if samples[i].StartTimestamp == 0 {
			samples[i].StartTimestamp = created
		}
	}
	histograms := r.Histograms[s.Histograms.From:s.Histograms.To]
	for i := range histograms {
		if histograms[i].StartTimestamp == 0 {
			histograms[i].StartTimestamp = created
		}
	}
}

// exemplarV2 makes sure that an Exemplar message is one.
func exemplarV2(m message) error {
	for m.next() {
		switch m.num {
		case 1:
			for end := m.elements(varintType); m.more(end); {
				m.varint()
			}
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

// metadataV2 is a Metadata message.
type metadataV2 struct {
	typ        blockwriter.MetricType
	help, unit uint32
}

// decode decodes a Metadata message. A further one merges into the first.
func (d *metadataV2) decode(m message) error {
	for m.next() {
		switch m.num {
		case 1:
			d.typ = metricType(m.uint())
		case 3:
			d.help = uint32(m.uint())
		case 4:
			d.unit = uint32(m.uint())
		default:
			m.skip()
		}
	}
	return m.err
}

// metadataV2 adds the metadata of the series that starts at the given position
// to the batch and returns its index, or -1 if the metadata says nothing.
func (r *request) metadataV2(start int, d metadataV2) (int32, error) {
	for _, ref := range [...]uint32{d.help, d.unit} {
		if uint64(ref) >= uint64(len(r.symbols)) {
			return -1, r.badRef(start, ref)
		}
	}
	help, unit := r.symbols[d.help], r.symbols[d.unit]
	if d.typ == 0 && len(help) == 0 && len(unit) == 0 {
		return -1, nil
	}
	r.Metadata = keep(r, r.Metadata, blockwriter.Metadata{Help: help, Unit: unit, Type: d.typ})
	return int32(len(r.Metadata) - 1), nil
}
