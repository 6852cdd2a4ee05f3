package blockwriter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage"
)

// Sentinels of [Run.Append]. Behind each of them but ErrMalformed and
// ErrFinished the sender does right to try again.
var (
	// ErrMalformed says that the request cannot be decoded; nothing was stored.
	ErrMalformed = errors.New("malformed request")
	// ErrNotOpen says that the run does not take samples yet, or no more, and
	// is not archived either.
	ErrNotOpen = errors.New("run is not open for writes")
	// ErrFinished says that the run is archived: whatever comes is too late.
	ErrFinished = errors.New("run is finished and archived")
	// ErrBehind says that windows have to be cut before more fits into memory.
	ErrBehind = errors.New("windows are completed faster than they can be cut")
	// ErrStorage says that the write-ahead log could not be written.
	ErrStorage = errors.New("storage cannot take the samples")
)

// A Reason says why samples were rejected for good.
type Reason uint8

// The reasons, as metrics and the manifest name them by String.
const (
	ReasonNoMetricName Reason = iota
	ReasonEmptyLabelName
	ReasonDuplicateLabelName
	ReasonInvalidUTF8
	ReasonDifferentValue
	ReasonTooFarInFuture
	ReasonTooOld
	ReasonInvalidHistogram
	ReasonSeriesLimit
	ReasonTooManyLabels
	numReasons
)

var reasonNames = [numReasons]string{
	"no_metric_name", "empty_label_name", "duplicate_label_name", "invalid_utf8",
	"different_value", "too_far_in_future", "too_old", "invalid_histogram", "series_limit", "too_many_labels",
}

func (r Reason) String() string { return reasonNames[r] }

// maxRejectionExamples bounds how many rejected series an error spells out: a
// sender logs the answer, and thousands of lines help nobody.
const maxRejectionExamples = 5

// Rejections tells what of a batch was refused for good, while the rest was
// stored.
type Rejections struct {
	Count    int
	Examples []string
	reasons  [numReasons]int
}

func (r *Rejections) add(reason Reason, n int, why func() string) {
	r.Count += n
	r.reasons[reason] += n
	if len(r.Examples) < maxRejectionExamples {
		r.Examples = append(r.Examples, reason.String()+": "+why())
	}
}

// maxNameBytes bounds what of a series' labels is printed.
const maxNameBytes = 1 << 10

func shortened(name string) string {
	if len(name) <= maxNameBytes {
		return name
	}
	return strings.ToValidUTF8(name[:maxNameBytes], "") + "…"
}

// String counts by reason, and names the first rejected series.
func (r Rejections) String() string {
	var counts []string
	for reason, n := range r.reasons {
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, Reason(reason)))
		}
	}
	return fmt.Sprintf("%d samples rejected, the others are stored (%s); %s",
		r.Count, strings.Join(counts, ", "), strings.Join(r.Examples, "; "))
}

// reasonOf classifies an error of the head's appender. What it does not know
// is not the sample's fault.
func reasonOf(err error) (Reason, bool) {
	var invalid histogram.Error
	switch {
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return ReasonDifferentValue, true
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
		return ReasonTooOld, true
	case errors.As(err, &invalid):
		return ReasonInvalidHistogram, true
	default:
		return 0, false
	}
}
