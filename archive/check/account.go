package check

import (
	"slices"
	"strings"

	"github.com/benchkeep/benchkeep/archive"
)

// settle holds the manifests to what the blocks have.
func (c *check) settle() {
	for _, b := range c.blocks {
		if b.role != roleRaw && b.role != roleInvisible {
			continue
		}
		c.report.Samples += int64(b.content.stats.NumSamples)
		c.compareListings(b)
	}
	for _, a := range c.accounts {
		c.report.Series += int64(len(a.series))
		if !slices.ContainsFunc(a.parts, (*part).open) {
			c.compareTotals(a)
		}
	}
}

// compareListings holds what the manifests list of a block to what it is.
func (c *check) compareListings(b *block) {
	var listed uint64
	for _, l := range b.holds {
		listed += l.entry.Stats.NumSamples
		if l.entry.ULID == b.id {
			c.compareEntry(b, l)
		}
	}
	if compacted := len(b.holds) != 1 || b.holds[0].entry.ULID != b.id; compacted && len(b.holds) > 0 {
		if b.content.whole && listed != b.content.stats.NumSamples {
			c.add(ManifestWrong, b.holds[0].part.object, "block %s has %d samples, those listed that it was made of have %d",
				b.id, b.content.stats.NumSamples, listed)
		}
	}
}

// compareEntry holds an entry of a manifest's list to the block itself. Where
// the block's counts could not be found they are taken from its meta.json.
func (c *check) compareEntry(b *block, l *listing) {
	stats := b.meta.stats()
	if b.content.whole {
		stats = b.content.stats
	}
	e := l.entry
	wrong := func(what string, said, is any) {
		if said != is {
			c.add(ManifestWrong, l.part.object, "%s of block %s is %v, and in the block %v", what, b.id, said, is)
		}
	}
	wrong("minTime", e.MinTime, b.meta.MinTime)
	wrong("maxTime", e.MaxTime, b.meta.MaxTime)
	wrong("numSamples", e.Stats.NumSamples, stats.NumSamples)
	wrong("numFloatSamples", e.Stats.NumFloatSamples, stats.NumFloatSamples)
	wrong("numHistogramSamples", e.Stats.NumHistogramSamples, stats.NumHistogramSamples)
	wrong("numSeries", e.Stats.NumSeries, stats.NumSeries)
	wrong("numChunks", e.Stats.NumChunks, stats.NumChunks)
	if !slices.EqualFunc(e.Files, b.meta.dataFiles(), sameFile) {
		c.add(ManifestWrong, l.part.object, "files of block %s are not those that its meta.json lists", b.id)
	}
}

func sameFile(a, b archive.File) bool {
	if a.Hash == nil || b.Hash == nil {
		return a == b
	}
	return a.RelPath == b.RelPath && a.SizeBytes == b.SizeBytes && *a.Hash == *b.Hash
}

// account is what parts of the run have in blocks of their own: those of one
// part, or of several that a compaction has put together.
type account struct {
	parts  []*part
	blocks []*block
	series []uint64 // of all blocks, sorted, each once
}

// openAccounts sorts parts and blocks so that no two accounts share one.
func (c *check) openAccounts() {
	of := map[*part]*account{}
	for _, p := range c.parts {
		of[p] = &account{parts: []*part{p}}
	}
	for _, b := range c.blocks {
		for _, l := range b.holds {
			into, from := of[b.holds[0].part], of[l.part]
			if into == from {
				continue
			}
			into.parts = append(into.parts, from.parts...)
			for _, p := range from.parts {
				of[p] = into
			}
		}
	}
	for _, b := range c.blocks {
		if len(b.holds) > 0 {
			b.account = of[b.holds[0].part]
			b.account.blocks = append(b.account.blocks, b)
		}
	}
	for _, p := range c.parts {
		if a := of[p]; a.parts[0] == p {
			c.accounts = append(c.accounts, a)
		}
	}
}

// addSeries adds those of a block, sorted.
func (a *account) addSeries(more []uint64) {
	old := a.series
	all := make([]uint64, 0, max(len(old), len(more)))
	for len(old) > 0 || len(more) > 0 {
		switch {
		case len(more) == 0 || len(old) > 0 && old[0] < more[0]:
			all, old = append(all, old[0]), old[1:]
		case len(old) > 0 && old[0] == more[0]:
			old = old[1:]
		default:
			all, more = append(all, more[0]), more[1:]
		}
	}
	a.series = slices.Compact(all)
}

// open reports whether there is nothing to hold the part's totals to.
func (p *part) open() bool {
	return p.state != archive.StateArchived || slices.ContainsFunc(p.listings, func(l *listing) bool {
		return l.holder == nil || !l.holder.content.whole
	})
}

// compareTotals holds what the parts say of themselves to their blocks.
func (c *check) compareTotals(a *account) {
	var objects []string
	var samples, most, sum int64
	var said, found span
	for _, p := range a.parts {
		objects = append(objects, p.object)
		samples += p.Archived
		most, sum = max(most, p.Series), sum+p.Series
		if p.Archived > 0 {
			said.include(p.MinTime, p.MaxTime)
		}
	}
	var inBlocks int64
	for _, b := range a.blocks {
		inBlocks += int64(b.content.stats.NumSamples)
		found.include(b.content.minTime, b.content.maxTime)
	}
	wrong := func(format string, args ...any) {
		c.add(ManifestWrong, strings.Join(objects, ", "), format, args...)
	}
	if samples != inBlocks {
		wrong("archived is %d, the blocks have %d samples", samples, inBlocks)
	}
	if said != found {
		wrong("samples are from %d to %d, those of the blocks from %d to %d", said.min, said.max, found.min, found.max)
	}
	// Parts that a compaction has put together may have had series in common.
	if n := int64(len(a.series)); n < most || n > sum {
		wrong("series is %d, the blocks have %d", sum, n)
	}
}

// span is a range of time in ms, both ends inclusive. The zero value has none.
type span struct {
	min, max int64
	some     bool
}

func (s *span) include(from, to int64) {
	if !s.some {
		*s = span{from, to, true}
	}
	s.min, s.max = min(s.min, from), max(s.max, to)
}

// state is that of the run as a whole: the worst of its parts'.
func (c *check) state() archive.State {
	var worst archive.State
	order := []archive.State{archive.StateArchived, archive.StateInterrupted, archive.StateFailed, archive.StateRunning}
	for _, p := range c.parts {
		if slices.Index(order, p.state) > slices.Index(order, worst) {
			worst = p.state
		}
	}
	return worst
}
