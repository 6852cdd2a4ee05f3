package blockwriter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/benchkeep/benchkeep/archive"
)

// Names below the storage path.
const (
	recordFile = "run.json"
	tsdbDir    = "tsdb"
)

// A phase is how far a run is on disk: what a process that finds the storage
// path has to do with it.
type phase string

const (
	phaseOpen     phase = "open"     // go on receiving
	phaseFenced   phase = "fenced"   // go on with the finish
	phaseArchived phase = "archived" // nothing: the next run starts afresh
)

// record is the run's own copy of its manifest, and what else has to outlive
// the process. It lies in the storage path as run.json.
type record struct {
	Phase    phase            `json:"phase"`
	Manifest archive.Manifest `json:"manifest"`
	// BlockDuration is the window length in ms: it cannot change within a run.
	BlockDuration int64 `json:"blockDuration"`
	// Announced is set once the bucket was asked for other receivers of the
	// run, after which the external labels are final.
	Announced bool `json:"announced"`
	// Claimed lists every block an upload was ever begun of, in order: what of
	// it was replaced by a merge has to leave the bucket again.
	Claimed []ulid.ULID `json:"claimed"`
	// Dropped lists the claimed blocks that are complete in the bucket and
	// whose local copy was given up. Everything that is older is in the bucket.
	Dropped []ulid.ULID `json:"dropped"`
}

// readRecord reads the record below dir; it is nil where there is none.
func readRecord(dir string) (*record, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record of the run: %w", err)
	}
	path := filepath.Join(dir, recordFile)
	// The version comes first: a newer record may have other types.
	var header struct {
		Manifest struct {
			Version int `json:"version"`
		} `json:"manifest"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	if header.Manifest.Version > archive.ManifestVersion {
		return nil, fmt.Errorf("%s: %w", path, archive.ErrNewerManifest)
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	return &rec, nil
}

// write replaces the record below dir so that a crash leaves the old one or
// the new one, whole.
func (rec *record) write(dir string) error {
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return fmt.Errorf("encode record of the run: %w", err)
	}
	path := filepath.Join(dir, recordFile)
	if err := writeSynced(path+".tmp", data); err != nil {
		return fmt.Errorf("write record of the run: %w", err)
	}
	if err := fileutil.Rename(path+".tmp", path); err != nil { // syncs the folder as well
		return fmt.Errorf("write record of the run: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
