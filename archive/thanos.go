package archive

import "time"

// Source names benchkeep in the source field of a block's meta.json.
const Source = "benchkeep"

// Thanos is the "thanos" section of a block's meta.json, version 1, as far as
// an uploader of raw blocks writes it.
//
// Source: Thanos' pkg/block/metadata/meta.go.
type Thanos struct {
	Version int `json:"version"`
	// Labels are the external labels: what tells the runs apart.
	Labels       map[string]string `json:"labels"`
	Downsample   Downsample        `json:"downsample"`
	Source       string            `json:"source"`
	SegmentFiles []string          `json:"segment_files"`
	// Files lists every file of the block, sorted by path. Thanos lists
	// meta.json without a size, since a file cannot state its own.
	Files      []File     `json:"files"`
	IndexStats IndexStats `json:"index_stats"`
	Extensions Extensions `json:"extensions"`
	// UploadTime is when meta.json was written to the bucket.
	UploadTime time.Time `json:"upload_time"`
}

// Downsample is the distance between samples in ms; 0 means raw samples.
type Downsample struct {
	Resolution int64 `json:"resolution"`
}

// File is one file of a block.
type File struct {
	RelPath   string `json:"rel_path"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
	Hash      *Hash  `json:"hash,omitempty"`
}

// Hash is a file's checksum. Func is always "SHA256", Value its hex form.
type Hash struct {
	Func  string `json:"hashFunc"`
	Value string `json:"value"`
}

// IndexStats holds the size in bytes of the largest series entry in the index
// and of the largest chunk: a Thanos Store sizes its range requests by them.
type IndexStats struct {
	SeriesMaxSize int64 `json:"series_max_size"`
	ChunkMaxSize  int64 `json:"chunk_max_size"`
}

// Extensions is where meta.json leaves room for others; Thanos keeps it and
// does not read it.
type Extensions struct {
	Benchkeep Extension `json:"benchkeep"`
}

// Extension leads from a block back to the run it is a part of.
type Extension struct {
	Run      string `json:"run"`
	Manifest string `json:"manifest"`
}
