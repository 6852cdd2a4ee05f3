//go:build !unix

package blockwriter

import "math"

// diskSpace knows no limit on this platform: a full disk shows as an error of
// the write-ahead log.
func diskSpace(string) (free, size uint64) { return math.MaxUint64, math.MaxUint64 }
