package archive

import (
	"fmt"
	"path"
	"regexp"

	"github.com/oklog/ulid/v2"
)

// Object names inside a block's folder; the same as on a TSDB's disk.
const (
	MetaFile  = "meta.json"
	IndexFile = "index"
	ChunksDir = "chunks"
	// DeletionMarkFile is what Thanos puts into the folder of a block that it
	// is going to delete after a delay.
	DeletionMarkFile = "deletion-mark.json"
)

const (
	// runsDir is no ULID, so that Thanos passes over it.
	runsDir = "benchkeep/runs"
	// editsDir and deletionFile stand beside a run's manifests, under names
	// that nobody takes for one.
	editsDir     = "edits"
	deletionFile = "deletion"
)

var runID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ValidateRunID reports whether id can name a run. A run id is a label value
// and a path segment in the bucket and on disk, so it has no separators, no
// leading dot, and a bounded length.
func ValidateRunID(id string) error {
	if runID.MatchString(id) {
		return nil
	}
	return fmt.Errorf("run id %q: want 1 to 128 letters, digits, '.', '_' or '-', the first a letter or digit", id)
}

// BlockObject names a file of a block in the bucket. The file's path is
// relative to the block's folder, with slashes.
func BlockObject(block ulid.ULID, file string) string {
	return path.Join(block.String(), file)
}

// ManifestObject names the manifest of one part of a run.
func ManifestObject(run, part string) string {
	return path.Join(runsDir, run, part+".json")
}

// editObject names one edit of a run.
func editObject(run, edit string) string {
	return path.Join(runsDir, run, editsDir, edit+".json")
}

// deletionObject names the record of a run's deletion.
func deletionObject(run string) string {
	return path.Join(runsDir, run, deletionFile)
}
