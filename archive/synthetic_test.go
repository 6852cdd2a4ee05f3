package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

const hour = int64(time.Hour / time.Millisecond)

// start is when the synthetic runs begin.
var start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// id makes a ULID that is easy to tell from others.
func id(n int) ulid.ULID {
	return ulid.MustNew(uint64(start.UnixMilli())+uint64(n), bytes.NewReader(make([]byte, 10)))
}

// manifest makes the record of a part that is archived, with blocks of 2 h, of
// 100 samples in 10 series and 1000 bytes each.
func manifest(run, part string, labels map[string]string, blocks ...ulid.ULID) *Manifest {
	finished := start.Add(time.Hour)
	m := &Manifest{
		Version: ManifestVersion, Run: run, Part: part, Labels: map[string]string{LabelRun: run},
		State: StateArchived, Complete: true, Started: start, Finished: &finished, Heartbeat: finished,
		MinTime: start.UnixMilli(), MaxTime: start.UnixMilli() + 2*hour*int64(len(blocks)) - 1,
		Series: 10, Archived: 100 * int64(len(blocks)),
	}
	for name, value := range labels {
		m.Labels[name] = value
	}
	for i, b := range blocks {
		m.Blocks = append(m.Blocks, Block{
			ULID: b, MinTime: start.UnixMilli() + 2*hour*int64(i), MaxTime: start.UnixMilli() + 2*hour*int64(i+1),
			Stats: BlockStats{NumSamples: 100, NumSeries: 10}, Files: []File{{RelPath: IndexFile, SizeBytes: 600}, {RelPath: "chunks/000001", SizeBytes: 400}},
		})
	}
	return m
}

// putRun uploads a manifest and the blocks that it lists.
func putRun(t testing.TB, bkt objstore.Bucket, m *Manifest) {
	t.Helper()
	require.NoError(t, WriteManifest(t.Context(), bkt, m))
	for _, b := range m.Blocks {
		putBlock(t, bkt, stored(m, b))
	}
}

// stored is a listed block as its meta.json tells of it.
func stored(m *Manifest, b Block) *StoredBlock {
	return &StoredBlock{
		ULID: b.ULID, MinTime: b.MinTime, MaxTime: b.MaxTime, Samples: b.Stats.NumSamples, Series: b.Stats.NumSeries,
		Bytes: b.Bytes(), Labels: m.Labels, Source: Source, Sources: []ulid.ULID{b.ULID}, Run: m.Run,
	}
}

// compacted is what Thanos makes of the first blocks of a manifest.
func compacted(m *Manifest, as ulid.ULID, of int) *StoredBlock {
	out := stored(m, m.Blocks[0])
	out.ULID, out.MaxTime, out.Source = as, m.Blocks[of-1].MaxTime, "compactor"
	out.Samples, out.Bytes, out.Sources = 100*uint64(of), 700*int64(of), nil
	for _, b := range m.Blocks[:of] {
		out.Sources = append(out.Sources, b.ULID)
	}
	return out
}

// putBlock uploads a block with the given meta.json and files of no meaning.
func putBlock(t testing.TB, bkt objstore.Bucket, b *StoredBlock) {
	t.Helper()
	meta := map[string]any{
		"ulid": b.ULID, "minTime": b.MinTime, "maxTime": b.MaxTime, "version": 1,
		"stats":      BlockStats{NumSamples: b.Samples, NumSeries: b.Series},
		"compaction": map[string]any{"level": 1, "sources": b.Sources},
		"thanos": Thanos{
			Version: 1, Labels: b.Labels, Source: b.Source, Downsample: Downsample{b.Resolution},
			Files:      []File{{RelPath: "chunks/000001"}, {RelPath: IndexFile, SizeBytes: b.Bytes}, {RelPath: MetaFile}},
			Extensions: Extensions{Extension{Run: b.Run}},
		},
	}
	data, err := json.Marshal(meta)
	require.NoError(t, err)
	for _, object := range []string{"chunks/000001", IndexFile} {
		require.NoError(t, bkt.Upload(t.Context(), BlockObject(b.ULID, object), strings.NewReader(object)))
	}
	require.NoError(t, bkt.Upload(t.Context(), BlockObject(b.ULID, MetaFile), bytes.NewReader(data)))
}

func readCatalogue(t testing.TB, bkt objstore.BucketReader) *Catalogue {
	t.Helper()
	c, err := ReadCatalogue(t.Context(), bkt, CatalogueOptions{})
	require.NoError(t, err)
	return c
}

// onlyRun is the one run of a bucket that has no problems.
func onlyRun(t testing.TB, bkt objstore.BucketReader) *Run {
	t.Helper()
	c := readCatalogue(t, bkt)
	require.Empty(t, c.Problems)
	require.Len(t, c.Runs, 1)
	return c.Runs[0]
}

// brief is what a list shows of a run.
func brief(r *Run) string {
	return fmt.Sprintf("%s %s parts=%d series=%d samples=%d bytes=%d blocks=%d missing=%d",
		r.ID, r.State(time.Now()), len(r.Parts), r.Series(), r.Samples(), r.Bytes(), len(r.Current()), r.Missing())
}

func briefs(c *Catalogue) (all []string) {
	for _, r := range c.Runs {
		all = append(all, brief(r))
	}
	return all
}
