package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
)

// ManifestVersion is the version this package writes, and the newest it reads.
const ManifestVersion = 1

// HeartbeatFresh is how long a manifest that says running is believed after
// its heartbeat: three times as long as a receiver takes to renew it.
const HeartbeatFresh = 3 * time.Minute

// maxRecord bounds what is read of a manifest, or of another record, in bytes:
// metadata of a hundred thousand metrics, and room.
const maxRecord = 64 << 20

// errTooLarge says that an object is larger than a record may be.
var errTooLarge = fmt.Errorf("it is larger than %d bytes", maxRecord)

// ErrNewerManifest says that a manifest was written by a later benchkeep.
var ErrNewerManifest = errors.New("manifest is of a newer version: upgrade benchkeep")

// A State is how far a run is, as its manifest tells.
type State string

// The states a manifest can be in.
const (
	StateRunning  State = "running"
	StateArchived State = "archived"
	StateFailed   State = "failed"
	// StateInterrupted stands in no manifest: the run says running, but its
	// heartbeat has stopped.
	StateInterrupted State = "interrupted"
)

// A Manifest is the record of one part of a run. Readers ignore fields they do
// not know. Counts are of samples, floats and histograms alike.
type Manifest struct {
	Version int               `json:"version"`
	Run     string            `json:"run"`
	Part    string            `json:"part"`
	Labels  map[string]string `json:"labels"`
	State   State             `json:"state"`
	// Complete means archived with nothing rejected on the way.
	Complete bool `json:"complete"`
	// Trigger is what asked for the finish: http, signal or resume.
	Trigger string `json:"trigger,omitempty"`
	// Error says why a failed run failed.
	Error string `json:"error,omitempty"`

	Started   time.Time  `json:"started"`
	Finished  *time.Time `json:"finished,omitempty"`
	Heartbeat time.Time  `json:"heartbeat"`

	// MinTime and MaxTime are the Unix milliseconds of the first and the last
	// sample, both inclusive; both are zero where there is no sample.
	MinTime int64 `json:"minTime"`
	MaxTime int64 `json:"maxTime"`
	Series  int64 `json:"series"`

	Counts

	// Archived is the sum of the samples over Blocks.
	Archived int64 `json:"archived"`

	Blocks    []Block             `json:"blocks"`
	Metrics   map[string]Metadata `json:"metrics"`
	Senders   []string            `json:"senders"`
	Receiver  Receiver            `json:"receiver"`
	Sessions  []Session           `json:"sessions"`
	Exemplars int64               `json:"exemplarsDropped"`
}

// Counts says what became of the samples that senders sent. They add up:
// Received + StartTimestamps = Written + Duplicates + the sum over Rejected.
type Counts struct {
	Received int64 `json:"received"`
	// Written is what was stored, each sample once; the blocks of an archived
	// run hold exactly as many.
	Written int64 `json:"written"`
	// StartTimestamps is how many of the written samples are the zeros that
	// stand for a start timestamp.
	StartTimestamps int64 `json:"startTimestamps"`
	// Duplicates were stored already, with the same value.
	Duplicates int64 `json:"duplicates"`
	// Rejected counts by reason what was refused.
	Rejected map[string]int64 `json:"rejected"`
}

// A Block is a block of the run that is complete in the bucket.
type Block struct {
	ULID ulid.ULID `json:"ulid"`
	// MinTime and MaxTime are the block's half-open range in Unix ms.
	MinTime int64      `json:"minTime"`
	MaxTime int64      `json:"maxTime"`
	Stats   BlockStats `json:"stats"`
	Files   []File     `json:"files"`
}

// Bytes is the size of the block's files but meta.json.
func (b Block) Bytes() int64 {
	var n int64
	for _, f := range b.Files {
		n += f.SizeBytes
	}
	return n
}

// BlockStats counts what a block holds.
type BlockStats struct {
	NumSamples          uint64 `json:"numSamples"`
	NumFloatSamples     uint64 `json:"numFloatSamples"`
	NumHistogramSamples uint64 `json:"numHistogramSamples"`
	NumSeries           uint64 `json:"numSeries"`
	NumChunks           uint64 `json:"numChunks"`
}

// Metadata is what senders told of a metric.
type Metadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// Receiver is the process that wrote the manifest.
type Receiver struct {
	Version string `json:"version"`
	Host    string `json:"host"`
}

// A Session is one process that worked on the part, in order of start.
type Session struct {
	Started time.Time `json:"started"`
	Receiver
}

// Object is the manifest's name in the bucket.
func (m *Manifest) Object() string { return ManifestObject(m.Run, m.Part) }

// StateAt is the state as a reader of the given time has to take it.
func (m *Manifest) StateAt(now time.Time) State { return stateAt(m.State, m.Heartbeat, now) }

func stateAt(said State, heartbeat, now time.Time) State {
	if said == StateRunning && now.Sub(heartbeat) >= HeartbeatFresh {
		return StateInterrupted
	}
	return said
}

// WriteManifest puts m into the bucket, in place of what was there.
func WriteManifest(ctx context.Context, bkt objstore.Bucket, m *Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := bkt.Upload(ctx, m.Object(), bytes.NewReader(data), objstore.WithContentType("application/json")); err != nil {
		return fmt.Errorf("write manifest %s: %w", m.Object(), err)
	}
	return nil
}

// ReadManifest gets the manifest with the given object name. The error is
// [ErrNewerManifest] where this version cannot understand it.
func ReadManifest(ctx context.Context, bkt objstore.BucketReader, object string) (*Manifest, error) {
	data, err := readObject(ctx, bkt, object)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", object, err)
	}
	manifest, err := DecodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("decode manifest %s: %w", object, err)
	}
	return manifest, nil
}

// DecodeManifest reads a manifest as it lies in the bucket. The error is
// [ErrNewerManifest] where this version cannot understand it.
func DecodeManifest(data []byte) (*Manifest, error) {
	var manifest Manifest
	if err := decodeVersioned(data, &manifest); err != nil {
		return nil, err
	}
	return &manifest, nil
}

// decodeVersioned decodes a manifest, or as much of it as v has fields for.
func decodeVersioned(data []byte, v any) error {
	// The version comes first: a newer manifest may have other types.
	version, err := versionOf(data)
	if err != nil {
		return err
	}
	if version > ManifestVersion {
		return fmt.Errorf("version %d, this program knows %d: %w", version, ManifestVersion, ErrNewerManifest)
	}
	return json.Unmarshal(data, v)
}

// versionOf finds the version without a pass over all of the data, since it is
// the first field that this package writes.
func versionOf(data []byte) (version int, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return 0, err // no object: its decoder tells
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return 0, err
		}
		var skipped json.RawMessage
		if name == "version" {
			return version, d.Decode(&version)
		}
		if err := d.Decode(&skipped); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// readObject reads an object that is small by nature.
func readObject(ctx context.Context, bkt objstore.BucketReader, object string) (_ []byte, err error) {
	r, err := bkt.Get(ctx, object)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = errTooLarge
	}
	return data, err
}

// ManifestObjects lists the manifests of a run's parts, sorted.
func ManifestObjects(ctx context.Context, bkt objstore.BucketReader, run string) ([]string, error) {
	var objects []string
	err := bkt.Iter(ctx, path.Join(runsDir, run), func(name string) error {
		if strings.HasSuffix(name, ".json") {
			objects = append(objects, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list manifests of run %s: %w", run, err)
	}
	return objects, nil
}
