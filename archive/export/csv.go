package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
)

const (
	csvHead = "metric,labels,timestamp,value,stale,count,sum,histogram\n"
	// csvTime is RFC 3339, with milliseconds and in UTC.
	csvTime = "2006-01-02T15:04:05.000Z"
	// writeBuffer is what is written at a time, in bytes.
	writeBuffer = 1 << 20
)

// csvWriter writes a line for each sample, after RFC 4180 but for line ends,
// which are those of this system's text files.
type csvWriter struct {
	out     *bufio.Writer
	prefix  []byte // of the series: metric and labels
	line    []byte
	json    []byte
	buckets []bucket
}

func newCSVWriter(out io.Writer) *csvWriter {
	w := &csvWriter{out: bufio.NewWriterSize(out, writeBuffer)}
	w.out.WriteString(csvHead) //nolint:errcheck // the next write tells
	return w
}

func (w *csvWriter) series(metric string, labels map[string]string) {
	w.prefix = appendQuoted(w.prefix[:0], []byte(metric))
	w.prefix = append(w.prefix, ',')
	w.prefix = appendQuoted(w.prefix, encodeJSON(labels))
	w.prefix = append(w.prefix, ',')
}

func (w *csvWriter) sample(s *sample) error {
	line := append(w.line[:0], w.prefix...)
	line = time.UnixMilli(s.t).UTC().AppendFormat(line, csvTime)
	line = append(line, ',')
	if s.h == nil && !s.stale {
		line = appendFloat(line, s.v)
	}
	line = append(line, ',')
	line = strconv.AppendBool(line, s.stale)
	line = append(line, ',')
	if s.h == nil || s.stale {
		line = append(line, ',', ',')
	} else {
		line = appendFloat(line, s.h.Count)
		line = append(line, ',')
		line = appendFloat(line, s.h.Sum)
		line = append(line, ',')
		w.json = w.appendHistogram(w.json[:0], s.h, s.integer)
		line = appendQuoted(line, w.json)
	}
	w.line = append(line, '\n')
	_, err := w.out.Write(w.line)
	return err
}

func (w *csvWriter) close() error { return w.out.Flush() }

// appendHistogram writes as JSON what there is of a native histogram besides
// count and sum.
func (w *csvWriter) appendHistogram(dst []byte, h *histogram.FloatHistogram, integer bool) []byte {
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, int64(h.Schema), 10)
	dst = append(dst, `,"zero_threshold":`...)
	dst = appendJSONFloat(dst, h.ZeroThreshold)
	dst = append(dst, `,"zero_count":`...)
	dst = appendJSONFloat(dst, h.ZeroCount)
	dst = append(dst, `,"integer":`...)
	dst = strconv.AppendBool(dst, integer)
	dst = append(dst, `,"custom_bounds":[`...)
	for i, bound := range h.CustomValues {
		dst = appendComma(dst, i)
		dst = appendJSONFloat(dst, bound)
	}
	dst = append(dst, `],"buckets":[`...)
	w.buckets = appendBuckets(w.buckets[:0], h)
	for i, b := range w.buckets {
		dst = appendComma(dst, i)
		dst = append(dst, `{"index":`...)
		if b.around {
			dst = append(dst, "null"...)
		} else {
			dst = strconv.AppendInt(dst, int64(b.index), 10)
		}
		dst = append(dst, `,"lower":`...)
		dst = appendJSONFloat(dst, b.lower)
		dst = append(dst, `,"upper":`...)
		dst = appendJSONFloat(dst, b.upper)
		dst = append(dst, `,"count":`...)
		dst = appendJSONFloat(dst, b.count)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// appendQuoted writes a field in quotes if it needs them.
func appendQuoted(dst, field []byte) []byte {
	if !bytes.ContainsAny(field, "\",\n\r") {
		return append(dst, field...)
	}
	dst = append(dst, '"')
	dst = append(dst, bytes.ReplaceAll(field, []byte(`"`), []byte(`""`))...)
	return append(dst, '"')
}

// appendFloat writes the shortest text that reads as the same value: NaN, +Inf
// and -Inf among them.
func appendFloat(dst []byte, v float64) []byte { return strconv.AppendFloat(dst, v, 'g', -1, 64) }

// appendJSONFloat writes what JSON has no number for as a text.
func appendJSONFloat(dst []byte, v float64) []byte {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		return appendFloat(dst, v)
	}
	dst = append(dst, '"')
	dst = appendFloat(dst, v)
	return append(dst, '"')
}

// encodeJSON writes a map of texts on one line, sorted.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v) //nolint:errcheck // texts always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
