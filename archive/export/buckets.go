package export

import (
	"github.com/prometheus/prometheus/model/histogram"
)

// A bucket is one of a native histogram, as rows tell of it.
type bucket struct {
	// index counts buckets by the histogram's schema, away from zero on both of
	// its sides. The bucket around zero has none.
	index               int32
	around              bool
	lower, upper, count float64
}

// appendBuckets adds the buckets of a histogram that are not empty, from the
// lowest to the highest.
func appendBuckets(dst []bucket, h *histogram.FloatHistogram) []bucket {
	add := func(it histogram.BucketIterator[float64]) {
		for it.Next() {
			if b := it.At(); b.Count != 0 {
				dst = append(dst, bucket{index: b.Index, lower: b.Lower, upper: b.Upper, count: b.Count})
			}
		}
	}
	add(h.NegativeReverseBucketIterator())
	if h.ZeroCount != 0 {
		dst = append(dst, bucket{around: true, lower: -h.ZeroThreshold, upper: h.ZeroThreshold, count: h.ZeroCount})
	}
	add(h.PositiveBucketIterator())
	return dst
}
