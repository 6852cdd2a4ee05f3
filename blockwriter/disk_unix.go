//go:build unix

package blockwriter

import (
	"math"

	"golang.org/x/sys/unix"
)

// diskSpace tells how many bytes of a path's file system are free for this
// user, and how large it is. Where that cannot be told, there is no limit.
func diskSpace(path string) (free, size uint64) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return math.MaxUint64, math.MaxUint64
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)
}
