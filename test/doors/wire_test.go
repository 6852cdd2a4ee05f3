package doors

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of remote write, 1.0 and 2.0, that attacks are made of.
const (
	v1Series, v1Labels, v1Samples, v1Exemplars, v1Histograms, v1Metadata = 1, 1, 2, 3, 4, 3
	v2Symbols, v2Series, v2Refs, v2Samples, v2Histograms, v2SeriesMeta   = 4, 5, 1, 2, 3, 5
)

// field is a length-delimited field.
func field(num protowire.Number, content ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(content, nil))
}

// varint is a field with a number.
func varint(num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(v))
}

// double is a field with a float64.
func double(num protowire.Number, v float64) []byte {
	b := protowire.AppendTag(nil, num, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, math.Float64bits(v))
}

// label is a label of remote write 1.0.
func label(name, value string) []byte {
	return field(v1Labels, field(1, []byte(name)), field(2, []byte(value)))
}

// sample is a sample of either version.
func sample(at int64, v float64) []byte { return field(v1Samples, double(1, v), varint(2, at)) }

// seriesV1 is a series of remote write 1.0 with a name and what else is given.
func seriesV1(name string, content ...[]byte) []byte {
	return field(v1Series, label("__name__", name), bytes.Join(content, nil))
}

// many is a short piece so often that together they have about n bytes.
func many(piece []byte, n int) []byte { return bytes.Repeat(piece, n/len(piece)) }

// declared is snappy's header, which says how long what follows will be, and
// something that follows.
func declared(length uint64, rest string) []byte {
	return append(binary.AppendUvarint(nil, length), rest...)
}

func snap(parts ...[]byte) []byte { return snappy.Encode(nil, bytes.Join(parts, nil)) }

// headersV1 and headersV2 are those of well-behaved senders.
func headersV1() map[string]string {
	return map[string]string{
		"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
		"X-Prometheus-Remote-Write-Version": "0.1.0", "User-Agent": "attacker",
	}
}

func headersV2() map[string]string {
	return map[string]string{
		"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy",
		"X-Prometheus-Remote-Write-Version": "2.0.0", "User-Agent": "attacker",
	}
}

// with is headers with some of them changed.
func with(headers map[string]string, changes ...string) map[string]string {
	for i := 0; i < len(changes); i += 2 {
		headers[changes[i]] = changes[i+1]
	}
	return headers
}
