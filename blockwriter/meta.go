package blockwriter

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// blockMeta is a block's meta.json as Thanos reads it: the TSDB's own, and a
// section that tells whose block it is.
type blockMeta struct {
	tsdb.BlockMeta

	Thanos archive.Thanos `json:"thanos"`
}

// encodeMeta makes the meta.json that goes into the bucket. The one on disk
// stays the TSDB's.
func encodeMeta(meta tsdb.BlockMeta, bf *blockFiles, m *archive.Manifest, uploaded time.Time) ([]byte, error) {
	// Thanos sorts files by path, and lists meta.json without a size.
	files := append([]archive.File{}, bf.files...)
	files = append(files, archive.File{RelPath: archive.MetaFile})
	data, err := json.MarshalIndent(blockMeta{
		BlockMeta: meta,
		Thanos: archive.Thanos{
			Version:      1,
			Labels:       m.Labels,
			Source:       archive.Source,
			SegmentFiles: bf.segments,
			Files:        files, // chunks/…, index, meta.json: sorted already
			IndexStats:   bf.stats,
			Extensions:   archive.Extensions{Benchkeep: archive.Extension{Run: m.Run, Manifest: m.Object()}},
			UploadTime:   uploaded,
		},
	}, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encode meta.json of block %s: %w", meta.ULID, err)
	}
	return data, nil
}

// blockEntry is the block as the manifest lists it.
func blockEntry(meta tsdb.BlockMeta, bf *blockFiles) archive.Block {
	return archive.Block{
		ULID:    meta.ULID,
		MinTime: meta.MinTime,
		MaxTime: meta.MaxTime,
		Stats: archive.BlockStats{
			NumSamples:          meta.Stats.NumSamples,
			NumFloatSamples:     meta.Stats.NumFloatSamples,
			NumHistogramSamples: meta.Stats.NumHistogramSamples,
			NumSeries:           meta.Stats.NumSeries,
			NumChunks:           meta.Stats.NumChunks,
		},
		Files: bf.files,
	}
}
