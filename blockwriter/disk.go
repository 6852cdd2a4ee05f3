package blockwriter

import "fmt"

// What of the storage path's disk is kept free for the finish: it writes the
// head into blocks while the write-ahead log is still there. The figures are
// above what blocks of real metrics take.
const (
	reserveMost      = mostSegment + 16<<20 // bytes at least, where the disk is large
	reserveShare     = 8                    // else a part of a small disk
	reservePerSample = 4                    // bytes for a sample in the head
	reservePerSeries = 512                  // bytes for its series in the index
)

// The database allocates a chunk segment of a block in full before it writes to
// it, so that on a small disk segments have to be small. The size is in bytes.
const (
	leastSegment = 4 << 20
	mostSegment  = 128 << 20
	segmentShare = 32 // of the disk
)

func segmentSize(disk uint64) int64 {
	return int64(min(max(disk/segmentShare, leastSegment), mostSegment))
}

// room refuses writes while the disk is too full to finish the run. The
// database itself would go on until the disk is full to the last byte, and
// then panic.
func (r *Run) room() error {
	free, size := diskSpace(r.opts.Dir)
	keep := r.reserve(size)
	if free >= keep {
		return nil
	}
	return fmt.Errorf("%w: %d bytes are left on the disk of --storage.path, and %d are kept for the finish", ErrStorage, free, keep)
}

// reserve is how many bytes are kept free on a disk of the given size.
func (r *Run) reserve(size uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := min(reserveMost, size/reserveShare)
	if r.db == nil {
		return keep
	}
	return keep + r.samplesInHead()*reservePerSample + r.db.Head().NumSeries()*reservePerSeries
}
