package blockwriter

import (
	"errors"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/zeebo/xxh3"
)

// A Batch is one decoded remote-write request. The decoder owns it and may
// reuse it, and every byte slice in it, as soon as [Run.Append] has returned;
// only the histograms are handed over for good, because the head keeps them.
type Batch struct {
	Series     []Series
	Samples    []Sample
	Histograms []Histogram
	// Metadata holds what the request tells about metrics. Remote write 1.0
	// names the metric in it, remote write 2.0 has the series point at it.
	Metadata []Metadata
	// Exemplars is how many exemplars the request carried. Blocks cannot hold
	// them: they are counted and dropped.
	Exemplars int
	// Sender is the sender's user agent, kept for the manifest.
	Sender string
	// Labels reads the labels of a series that was not seen before.
	Labels LabelReader
}

// A Series is one time series of a batch. Its samples and histograms are
// ranges of the batch's own slices, so that a batch of thousands of series
// costs a handful of allocations, and none once its slices have grown.
type Series struct {
	// Hash identifies the label set as it was sent, byte for byte. Two
	// spellings of one label set (other order, say) may differ in it; two
	// label sets must not share it.
	Hash xxh3.Uint128
	// Samples and Histograms are the series' part of the batch's slices.
	Samples, Histograms Range
	// Metadata is the index of the series' metadata in the batch, or -1.
	Metadata int32
}

// A Range is the half-open range [From, To) of a slice.
type Range struct{ From, To int32 }

// Len is the number of elements in the range.
func (r Range) Len() int { return int(r.To - r.From) }

// A Sample is a float sample. Times are Unix milliseconds; a StartTimestamp of
// zero means that the sender gave none.
type Sample struct {
	Timestamp      int64
	StartTimestamp int64
	Value          float64
}

// A Histogram is a native histogram sample: exactly one of Int and Float is
// set. Times are as in [Sample].
type Histogram struct {
	Timestamp      int64
	StartTimestamp int64
	Int            *histogram.Histogram
	Float          *histogram.FloatHistogram
}

// Metadata is what a sender tells of a metric. Name is empty where a series
// points here: the metric is then the series' own.
type Metadata struct {
	Name, Help, Unit []byte
	Type             MetricType
}

// A MetricType is a metric's type as both remote-write protocols number it.
type MetricType uint8

// String gives the type's name as OpenMetrics and Prometheus' metadata API
// spell it; what is not known is "unknown".
func (t MetricType) String() string {
	names := [...]string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}
	if int(t) < len(names) {
		return names[t]
	}
	return names[0]
}

// A Label is one label as it was sent: not validated, valid until the batch is
// reused.
type Label struct{ Name, Value []byte }

// MaxLabels is how many labels a series may have. Real ones have some tens; the
// writing of a block takes time for each label name of its own, so that one
// series with very many of them would make a finish miss its time.
const MaxLabels = 1000

// ErrTooManyLabels says that a series has more than MaxLabels.
var ErrTooManyLabels = errors.New("too many labels")

// A LabelReader gives the labels of a batch's series. It is asked only for
// series that were not seen before.
type LabelReader interface {
	// AppendLabels appends the labels of series i of the batch to dst, in the
	// order they were sent. If there are more than MaxLabels, it appends so many
	// and returns ErrTooManyLabels. Another error means that the request is
	// malformed.
	AppendLabels(dst []Label, i int) ([]Label, error)
}
