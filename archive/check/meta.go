package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// blockMeta is a meta.json: the TSDB's, with Thanos' section.
type blockMeta struct {
	tsdb.BlockMeta

	Thanos archive.Thanos `json:"thanos"`
}

func decodeMeta(data []byte) (*blockMeta, error) {
	var m blockMeta
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// metaOf makes up for a meta.json by what a manifest says of the block.
func metaOf(l *listing) *blockMeta {
	e := l.entry
	return &blockMeta{
		BlockMeta: tsdb.BlockMeta{
			ULID: e.ULID, MinTime: e.MinTime, MaxTime: e.MaxTime, Version: 1,
			Stats: tsdb.BlockStats{
				NumSamples: e.Stats.NumSamples, NumFloatSamples: e.Stats.NumFloatSamples,
				NumHistogramSamples: e.Stats.NumHistogramSamples, NumSeries: e.Stats.NumSeries, NumChunks: e.Stats.NumChunks,
			},
		},
		Thanos: archive.Thanos{Version: 1, Labels: l.part.Labels, Source: archive.Source, Files: e.Files},
	}
}

func (m *blockMeta) downsampled() bool { return m.Thanos.Downsample.Resolution > 0 }

// dataFiles are the files but meta.json itself.
func (m *blockMeta) dataFiles() (files []archive.File) {
	for _, f := range m.Thanos.Files {
		if f.RelPath != archive.MetaFile {
			files = append(files, f)
		}
	}
	return files
}

func (m *blockMeta) dataBytes() (n int64) {
	for _, f := range m.dataFiles() {
		n += f.SizeBytes
	}
	return n
}

func (m *blockMeta) stats() archive.BlockStats {
	return archive.BlockStats{
		NumSamples: m.Stats.NumSamples, NumFloatSamples: m.Stats.NumFloatSamples,
		NumHistogramSamples: m.Stats.NumHistogramSamples, NumSeries: m.Stats.NumSeries, NumChunks: m.Stats.NumChunks,
	}
}

// segmentPath is what a chunk segment is called below its block's folder.
var segmentPath = regexp.MustCompile(`^chunks/[0-9]{6}$`)

// checkMeta holds a meta.json to what can be told of it without the data.
func (c *check) checkMeta(b *block) {
	m, object := b.meta, b.object(archive.MetaFile)
	wrong := func(format string, args ...any) { c.add(MetaWrong, object, format, args...) }
	if m.ULID != b.id {
		wrong("ulid is %s", m.ULID)
	}
	if m.Version != 1 {
		wrong("version is %d, want 1", m.Version)
	}
	if v := m.Thanos.Version; v > 1 || v < 1 && m.Thanos.Source == archive.Source { // Thanos leaves it out here and there
		wrong("thanos.version is %d, want 1", v)
	}
	if m.MinTime >= m.MaxTime {
		wrong("minTime %d is not before maxTime %d", m.MinTime, m.MaxTime)
	}
	c.checkExternalLabels(b, wrong)
	checkFileList(m, wrong)
	if m.Thanos.Source != archive.Source {
		return
	}
	ext := m.Thanos.Extensions.Benchkeep
	if ext.Run != c.run.ID {
		wrong("extensions.benchkeep.run is %q", ext.Run)
	}
	for _, l := range b.holds {
		if ext.Manifest != l.part.object {
			wrong("extensions.benchkeep.manifest is %q, and %s lists the block", ext.Manifest, l.part.object)
		}
	}
}

func (c *check) checkExternalLabels(b *block, wrong func(string, ...any)) {
	external := b.meta.Thanos.Labels
	if external[archive.LabelRun] != c.run.ID {
		wrong("thanos.labels say that %s is %q", archive.LabelRun, external[archive.LabelRun])
		return
	}
	for _, l := range b.holds {
		if !l.part.mayHave(external) {
			wrong("thanos.labels are %s, those of %s are %s", show(external), l.part.object, show(l.part.Labels))
		}
	}
	for name, value := range external {
		if name == "" || value == "" {
			wrong("thanos.labels have %q=%q", name, value)
		}
	}
}

func checkFileList(m *blockMeta, wrong func(string, ...any)) {
	var names, segments []string
	for _, f := range m.dataFiles() {
		names = append(names, f.RelPath)
		switch {
		case segmentPath.MatchString(f.RelPath):
			segments = append(segments, f.RelPath[len(archive.ChunksDir)+1:])
		case f.RelPath != archive.IndexFile:
			wrong("thanos.files lists %q, which is no file of a block", f.RelPath)
		}
		switch {
		case f.Hash == nil && m.Thanos.Source == archive.Source:
			wrong("thanos.files has no hash of %s", f.RelPath)
		case f.Hash != nil && f.Hash.Func != "SHA256":
			wrong("thanos.files has a hash of %s by %q, want SHA256", f.RelPath, f.Hash.Func)
		}
	}
	if !slices.Contains(names, archive.IndexFile) {
		wrong("thanos.files lists no %s", archive.IndexFile)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) < len(names) {
		wrong("thanos.files is not sorted, or lists a file twice")
	}
	if len(m.Thanos.SegmentFiles) > 0 && !slices.Equal(m.Thanos.SegmentFiles, segments) {
		wrong("thanos.segment_files are %v, thanos.files lists %v", m.Thanos.SegmentFiles, segments)
	}
}

// show prints labels as a selector has them.
func show(external map[string]string) string {
	out := "{"
	for i, name := range slices.Sorted(maps.Keys(external)) {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%s=%q", name, external[name])
	}
	return out + "}"
}
