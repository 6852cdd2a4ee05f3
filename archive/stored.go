package archive

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
)

// External labels that are not the user's.
const (
	LabelRun      = "run"
	LabelReceiver = "receiver"
)

// A StoredBlock is a block of a run as the bucket has it: put there by a
// receiver, or made of such blocks by Thanos since.
type StoredBlock struct {
	ULID ulid.ULID `json:"ulid"`
	// MinTime and MaxTime are the block's half-open range in Unix ms.
	MinTime int64  `json:"minTime"`
	MaxTime int64  `json:"maxTime"`
	Samples uint64 `json:"samples"`
	Series  uint64 `json:"series"`
	// Bytes is the size of the block's files but meta.json.
	Bytes  int64             `json:"bytes"`
	Labels map[string]string `json:"labels"`
	// Resolution is the distance between samples in ms; 0 means raw samples.
	Resolution int64 `json:"resolution"`
	// Source names the program that made the block.
	Source string `json:"source"`
	// Sources are the blocks that were cut from a head and are in this one, by
	// way of however many compactions.
	Sources []ulid.ULID `json:"sources,omitempty"`
	// Run is the run that the block's extension names; it may be empty.
	Run string `json:"run,omitempty"`

	// Missing: a manifest lists the block, and neither it nor one that was made
	// of it is in the bucket.
	Missing bool `json:"-"`
	// Superseded: another block of the run has all of its samples.
	Superseded bool `json:"-"`
	// Marked is when Thanos marked the block for deletion, zero for never. It is
	// set by [Run.ReadMarks] alone.
	Marked time.Time `json:"-"`

	// listed: a manifest lists the block; absent: its folder is not there.
	listed, absent bool
}

// readStoredBlock reads a block's meta.json.
func readStoredBlock(ctx context.Context, bkt objstore.BucketReader, id ulid.ULID) (*StoredBlock, error) {
	return readRecord(ctx, bkt, "", BlockObject(id, MetaFile), func(data []byte, _ string) (*StoredBlock, error) {
		return decodeStoredBlock(data, id)
	})
}

func decodeStoredBlock(data []byte, id ulid.ULID) (*StoredBlock, error) {
	var meta struct {
		MinTime, MaxTime int64
		Stats            BlockStats
		Compaction       struct{ Sources []ulid.ULID }
		Thanos           struct {
			Labels     map[string]string
			Downsample Downsample
			Source     string
			Files      []File
			Extensions json.RawMessage // anything, where others made the block
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, err
	}
	var extensions Extensions
	if json.Unmarshal(meta.Thanos.Extensions, &extensions) != nil {
		extensions = Extensions{}
	}
	return &StoredBlock{
		ULID: id, MinTime: meta.MinTime, MaxTime: meta.MaxTime,
		Samples: meta.Stats.NumSamples, Series: meta.Stats.NumSeries, Bytes: Block{Files: meta.Thanos.Files}.Bytes(),
		Labels: meta.Thanos.Labels, Resolution: meta.Thanos.Downsample.Resolution, Source: meta.Thanos.Source,
		Sources: meta.Compaction.Sources, Run: extensions.Benchkeep.Run,
	}, nil
}

// listedBlock is a block as a manifest tells of it.
func listedBlock(p *Part, b PartBlock) *StoredBlock {
	return &StoredBlock{
		ULID: b.ULID, MinTime: b.MinTime, MaxTime: b.MaxTime, Samples: b.Samples, Series: b.Series, Bytes: b.Bytes,
		Labels: p.Labels, Source: Source, Run: p.Run, listed: true,
	}
}

// Raw reports whether the block has samples as they were received.
func (b *StoredBlock) Raw() bool { return b.Resolution == 0 }

// supersedes reports whether b, which is in the bucket, has everything that old
// has. Thanos' own rule goes by the sources. Those of a block that is gone and
// was merged before its upload are not known; but since blocks with the same
// labels never overlap, one that was made since and spans its time has it.
//
// Source: Thanos' pkg/block/fetcher.go, DefaultDeduplicateFilter.
func (b *StoredBlock) supersedes(old *StoredBlock) bool {
	switch {
	case b == old || b.absent || b.Resolution != old.Resolution:
		return false
	case slices.Contains(b.Sources, old.ULID):
		return true
	case old.absent:
		spans := b.MinTime <= old.MinTime && old.MaxTime <= b.MaxTime
		return spans && !b.listed && b.mayBeOf(old.Labels)
	case len(old.Sources) == 0 || !containsAll(b.Sources, old.Sources):
		return false
	default:
		return len(b.Sources) > len(old.Sources) || b.ULID.Compare(old.ULID) > 0
	}
}

// mayBeOf reports whether a part with the given labels may have made the block.
// A part learns that it needs a receiver label, maybe after its first blocks.
func (b *StoredBlock) mayBeOf(part map[string]string) bool {
	if maps.Equal(b.Labels, part) {
		return true
	}
	early := maps.Clone(part)
	delete(early, LabelReceiver)
	return maps.Equal(b.Labels, early)
}

func containsAll(all, some []ulid.ULID) bool {
	return !slices.ContainsFunc(some, func(id ulid.ULID) bool { return !slices.Contains(all, id) })
}

// Gone reports whether the block is not in the bucket, though a manifest lists
// it.
func (b *StoredBlock) Gone() bool { return b.absent }
