package check_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

// forged is a series of a block that is well-formed to the last checksum.
type forged struct {
	labels []string // name, value, … in the order in which they are written
	chunks []forgedChunk
}

type forgedChunk struct {
	times      []int64
	mint, maxt int64 // as the index says; zero means those of the samples
	encoding   chunkenc.Encoding
}

func chunkOf(times ...int64) forgedChunk { return forgedChunk{times: times} }

func (c forgedChunk) meta(t *testing.T) chunks.Meta {
	chunk := chunkenc.NewXORChunk()
	app, err := chunk.Appender()
	require.NoError(t, err)
	for _, at := range c.times {
		app.Append(0, at, 1)
	}
	m := chunks.Meta{Chunk: chunk, MinTime: c.mint, MaxTime: c.maxt}
	if c.encoding != 0 {
		m.Chunk = otherEncoding{chunk, c.encoding}
	}
	if c.mint == 0 {
		m.MinTime = c.times[0]
	}
	if c.maxt == 0 {
		m.MaxTime = c.times[len(c.times)-1]
	}
	return m
}

type otherEncoding struct {
	chunkenc.Chunk
	encoding chunkenc.Encoding
}

func (c otherEncoding) Encoding() chunkenc.Encoding { return c.encoding }

// forge makes a run of one block that holds the given series, with meta.json
// and manifest that agree with it.
func forge(t *testing.T, series ...forged) *world {
	w := newWorld(t)
	r := w.start()
	write(t, r, sent{metric: "up", times: []int64{base, base + 2*hour - 1}})
	w.finish(r)
	block := w.blocks()[0]
	dir := w.path(block.String())
	w.remove(archive.BlockObject(block, archive.ChunksDir))
	w.remove(archive.BlockObject(block, archive.IndexFile))
	stats := writeForged(t, dir, series)
	w.editMeta(block, func(m *meta) {
		m.Stats.NumSamples, m.Stats.NumFloatSamples = stats.NumSamples, stats.NumSamples
		m.Stats.NumSeries, m.Stats.NumChunks = stats.NumSeries, stats.NumChunks
	})
	w.editManifest(func(m *archive.Manifest) {
		n := int64(stats.NumSamples)
		m.Received, m.Written, m.Archived, m.Series = n, n, n, int64(stats.NumSeries)
		m.Blocks[0].Stats = stats
		m.MinTime, m.MaxTime = math.MaxInt64, math.MinInt64
		for _, s := range series {
			for _, c := range s.chunks {
				for _, at := range c.times {
					m.MinTime, m.MaxTime = min(m.MinTime, at), max(m.MaxTime, at)
				}
			}
		}
	})
	w.cover(block)
	return w
}

func writeForged(t *testing.T, dir string, series []forged) (stats archive.BlockStats) {
	cw, err := chunks.NewWriter(filepath.Join(dir, archive.ChunksDir))
	require.NoError(t, err)
	iw, err := index.NewWriter(t.Context(), filepath.Join(dir, archive.IndexFile))
	require.NoError(t, err)
	var symbols []string
	for _, s := range series {
		symbols = append(symbols, s.labels...)
	}
	slices.Sort(symbols)
	for _, s := range slices.Compact(symbols) {
		require.NoError(t, iw.AddSymbol(s))
	}
	for i, s := range series {
		var b labels.ScratchBuilder
		for l := range slices.Chunk(s.labels, 2) {
			b.Add(l[0], l[1])
		}
		var metas []chunks.Meta
		for _, c := range s.chunks {
			metas = append(metas, c.meta(t))
			stats.NumSamples += uint64(len(c.times))
		}
		require.NoError(t, cw.WriteChunks(metas...))
		require.NoError(t, iw.AddSeries(storage.SeriesRef(i), b.Labels(), metas...))
		stats.NumSeries++
		stats.NumChunks += uint64(len(metas))
	}
	stats.NumFloatSamples = stats.NumSamples
	require.NoError(t, cw.Close())
	require.NoError(t, iw.Close())
	return stats
}

// TestContentThatIsWrong makes blocks whose every hash and checksum is right.
func TestContentThatIsWrong(t *testing.T) {
	up := []string{"__name__", "up"}
	one := []forgedChunk{chunkOf(base, base+minute)}
	for name, c := range map[string]struct {
		series []forged
		want   []check.Kind
	}{
		"nothing":             {[]forged{{up, one}}, nil},
		"labels not sorted":   {[]forged{{[]string{"job", "x", "__name__", "up"}, one}}, []check.Kind{check.LabelsWrong}},
		"label without value": {[]forged{{[]string{"__name__", "up", "job", ""}, one}}, []check.Kind{check.LabelsWrong}},
		"label without name":  {[]forged{{[]string{"", "x", "__name__", "up"}, one}}, []check.Kind{check.LabelsWrong}},
		"external label":      {[]forged{{[]string{"__name__", "up", "branch", "main"}, one}}, []check.Kind{check.LabelsWrong}},
		"label run":           {[]forged{{[]string{"__name__", "up", "run", "other"}, one}}, []check.Kind{check.LabelsWrong}},
		"series twice":        {[]forged{{up, one}, {append(up, "job", "x"), one}}, nil},
		"samples swapped":     {[]forged{{up, []forgedChunk{{times: []int64{base, base + 2, base + 1, base + 3}}}}}, []check.Kind{check.TimeWrong}},
		"sample twice":        {[]forged{{up, []forgedChunk{chunkOf(base, base)}}}, []check.Kind{check.TimeWrong}},
		"before the block":    {[]forged{{up, []forgedChunk{chunkOf(base-1, base)}}}, []check.Kind{check.TimeWrong}},
		"at the block's end":  {[]forged{{up, []forgedChunk{chunkOf(base, base+2*hour)}}}, []check.Kind{check.TimeWrong}},
		"chunk begins later":  {[]forged{{up, []forgedChunk{{times: []int64{base, base + 1}, mint: base + 1}}}}, []check.Kind{check.TimeWrong}},
		"chunk ends earlier":  {[]forged{{up, []forgedChunk{{times: []int64{base, base + 1}, maxt: base}}}}, []check.Kind{check.TimeWrong}},
		"chunks overlap": {[]forged{{up, []forgedChunk{{times: []int64{base, base + 5}, maxt: base + 1}, chunkOf(base + 3)}}},
			[]check.Kind{check.TimeWrong}},
		"no chunks":        {[]forged{{up, one}, {append(up, "job", "x"), nil}}, []check.Kind{check.IndexWrong}},
		"unknown encoding": {[]forged{{up, []forgedChunk{{times: []int64{base}, encoding: 99}}}}, []check.Kind{check.ChunkUnreadable}},
		"new encoding":     {[]forged{{up, []forgedChunk{{times: []int64{base}, encoding: chunkenc.EncXOR2}}}}, []check.Kind{check.ChunkUnreadable}},
	} {
		t.Run(name, func(t *testing.T) {
			report := forge(t, c.series...).check()
			require.Equal(t, c.want, kinds(report), "%v", report.Findings)
		})
	}
}

// TestChunkOfAnotherKind has floats read as histograms. What they look like then
// depends on their bits, and so on the time of the test: something is wrong in
// any case.
func TestChunkOfAnotherKind(t *testing.T) {
	report := forge(t, forged{[]string{"__name__", "up"}, []forgedChunk{{times: []int64{base}, encoding: chunkenc.EncHistogram}}}).check()
	require.NotEmpty(t, report.Findings)
}

// TestIndexThatIsWrong changes an index and puts its checksums right again.
func TestIndexThatIsWrong(t *testing.T) {
	var series []forged
	for i := range 5 {
		series = append(series, forged{[]string{"__name__", fmt.Sprint("m", i), "job", "x", "zone", "y"}, []forgedChunk{chunkOf(base)}})
	}
	whole := forge(t, series...)
	block := whole.blocks()[0]
	for name, c := range map[string]struct {
		edit func(x *forgedIndex)
		want []check.Kind
	}{
		"symbols out of order": {func(x *forgedIndex) {
			copy(x.data[bytes.Index(x.data, []byte("m1")):], "m9")
			x.putChecksum(int(x.toc.Symbols))
		}, []check.Kind{check.IndexWrong}},
		"series swapped": {func(x *forgedIndex) {
			first, second := x.series(0), x.series(1)
			for i := range first {
				first[i], second[i] = second[i], first[i]
			}
		}, []check.Kind{check.IndexWrong}},
		"label twice": {func(x *forgedIndex) { // by the number of its symbol
			entry := x.series(0)
			entry[6] = entry[4]
			length := int(entry[0])
			binary.BigEndian.PutUint32(entry[1+length:], checksum(entry[1:1+length]))
		}, []check.Kind{check.IndexWrong, check.LabelsWrong}},
		"list names another series": {func(x *forgedIndex) {
			copy(x.refs("__name__", "m0"), x.refs("__name__", "m1"))
			x.putChecksum(x.list("__name__", "m0"))
		}, []check.Kind{check.IndexWrong}},
		"list out of order": {func(x *forgedIndex) {
			refs := x.refs("job", "x")
			copy(refs, append(bytes.Clone(refs[4:8]), refs[:4]...))
			x.putChecksum(x.list("job", "x"))
		}, []check.Kind{check.IndexWrong}},
		"series left out": {func(x *forgedIndex) {
			refs := x.refs("", "")
			copy(refs[16:], refs[12:16])
			x.putChecksum(x.list("", ""))
		}, []check.Kind{check.IndexWrong, check.ManifestWrong}},
		"list points nowhere": {func(x *forgedIndex) {
			binary.BigEndian.PutUint32(x.refs("", "")[16:], math.MaxUint32)
			x.putChecksum(x.list("", ""))
		}, []check.Kind{check.IndexUnreadable}},
		"offset out of the file": {func(x *forgedIndex) {
			toc := x.data[len(x.data)-52:]
			binary.BigEndian.PutUint64(toc[40:], math.MaxUint64)
			binary.BigEndian.PutUint32(toc[48:], checksum(toc[:48]))
		}, []check.Kind{check.IndexUnreadable}},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			w.edit(archive.BlockObject(block, archive.IndexFile), func(data []byte) []byte {
				toc, err := index.NewTOCFromByteSlice(byteSlice(data))
				require.NoError(t, err)
				c.edit(&forgedIndex{t, data, toc})
				return data
			})
			w.cover(block)
			report := w.check()
			require.Equal(t, c.want, kinds(report), "%v", report.Findings)
		})
	}
}

type forgedIndex struct {
	t    *testing.T
	data []byte
	toc  *index.TOC
}

// list is where a list of postings begins: its length in bytes, the number of
// series, their references, a checksum.
func (x *forgedIndex) list(name, value string) (at int) {
	require.NoError(x.t, index.ReadPostingsOffsetTable(byteSlice(x.data), x.toc.PostingsTable, func(n, v []byte, offset uint64, _ int) error {
		if string(n) == name && string(v) == value {
			at = int(offset)
		}
		return nil
	}))
	require.NotZero(x.t, at)
	return at
}

// refs are the references of a list, four bytes each.
func (x *forgedIndex) refs(name, value string) []byte {
	at := x.list(name, value)
	return x.data[at+8 : at+4+int(binary.BigEndian.Uint32(x.data[at:]))]
}

// series is the entry of a series, with what fills it up.
func (x *forgedIndex) series(i int) []byte {
	ref := binary.BigEndian.Uint32(x.refs("", "")[4*i:])
	return x.data[16*ref : 16*ref+32]
}

// putChecksum puts that of a section right, which begins with its length.
func (x *forgedIndex) putChecksum(at int) {
	end := at + 4 + int(binary.BigEndian.Uint32(x.data[at:]))
	binary.BigEndian.PutUint32(x.data[end:], checksum(x.data[at+4:end]))
}

func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

type byteSlice []byte

func (b byteSlice) Len() int                    { return len(b) }
func (b byteSlice) Range(start, end int) []byte { return b[start:end] }
