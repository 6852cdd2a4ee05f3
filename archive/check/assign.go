package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/benchkeep/benchkeep/archive"
)

// assign finds out which blocks readers see, and in which of them they find
// what the manifests list.
func (c *check) assign() {
	for _, b := range c.blocks {
		if b.role == roleSkipped {
			c.skip(b, "marked for deletion")
		}
	}
	c.supersede()
	for _, p := range c.parts {
		for _, l := range p.listings {
			c.place(l)
		}
	}
	for _, b := range c.blocks {
		switch {
		case b.role == roleInvisible && b.meta == nil:
			b.role = roleSkipped
			c.skip(b, "what a deletion or an upload under way has left")
		case b.role == roleDownsampled:
			c.skip(b, fmt.Sprintf("downsampled to %d ms: objects and index are checked, samples are not", b.meta.Thanos.Downsample.Resolution))
		}
		if c.foreign(b) {
			c.add(BlockForeign, b.id.String(), "has the run's label, and no manifest lists it or what it was made of")
		}
	}
}

// supersede skips the blocks whose sources are all in another.
//
// Source: Thanos' pkg/block/fetcher.go, DefaultDeduplicateFilter.
func (c *check) supersede() {
	visible := slices.DeleteFunc(slices.Clone(c.blocks), func(b *block) bool {
		return b.role != roleRaw && b.role != roleDownsampled
	})
	slices.SortFunc(visible, func(a, b *block) int {
		return cmp.Or(len(b.meta.Compaction.Sources)-len(a.meta.Compaction.Sources), a.id.Compare(b.id))
	})
	var kept []*block
	for _, b := range visible {
		i := slices.IndexFunc(kept, func(k *block) bool { return supersedes(k, b) })
		if i < 0 {
			kept = append(kept, b)
			continue
		}
		b.role = roleSkipped
		c.skip(b, "superseded by "+kept[i].id.String())
	}
}

func supersedes(a, b *block) bool {
	if a.meta.Thanos.Downsample != b.meta.Thanos.Downsample {
		return false
	}
	return !slices.ContainsFunc(b.meta.Compaction.Sources, func(source ulid.ULID) bool {
		return !slices.Contains(a.meta.Compaction.Sources, source)
	})
}

// place finds the block in which readers find the samples of a listed one.
func (c *check) place(l *listing) {
	i := slices.IndexFunc(c.blocks, func(b *block) bool { return b.id == l.entry.ULID })
	own := c.blocks[i]
	if own.role == roleRaw {
		l.heldBy(own)
		return
	}
	if i := slices.IndexFunc(c.blocks, l.compactedInto); i >= 0 {
		l.heldBy(c.blocks[i])
		return
	}
	if l.part.state == archive.StateRunning {
		return // a merge may have replaced it since the manifest was written
	}
	switch {
	case own.role != roleInvisible:
		c.add(BlockMissing, own.id.String(), "%s lists it; %s", l.part.object, c.whereIs(own, l))
	case own.broken != nil:
		c.add(MetaUnreadable, own.object(archive.MetaFile), "%v", own.broken)
		l.restore(own)
	default:
		c.add(MetaMissing, own.object(archive.MetaFile), "%s lists the block, and no reader sees it", l.part.object)
		l.restore(own)
	}
}

func (l *listing) heldBy(b *block) {
	l.holder = b
	b.holds = append(b.holds, l)
}

// restore makes up for meta.json, so that the rest of the block can be checked.
func (l *listing) restore(b *block) {
	b.meta = metaOf(l)
	l.heldBy(b)
}

// compactedInto reports whether b is what a compaction made of the listed
// block, which readers do not see any more. Blocks of one part do not overlap,
// so that the time tells. The sources would not: those of a block that the run
// itself had merged are not its own ULID, and the ULIDs of what lay between
// are gone with it.
func (l *listing) compactedInto(b *block) bool {
	return b.role == roleRaw && b.meta.Compaction.Level > 1 && l.part.mayHave(b.meta.Thanos.Labels) && b.spans(l.entry)
}

// whereIs tells what is left of a listed block that is missing.
func (c *check) whereIs(own *block, l *listing) string {
	for _, s := range c.report.Skipped {
		if s.Block == own.id {
			return "it is " + s.Why
		}
	}
	if own.role == roleDownsampled {
		return "its meta.json says that it is downsampled"
	}
	for _, b := range c.blocks {
		if b.role == roleDownsampled && l.part.mayHave(b.meta.Thanos.Labels) && b.spans(l.entry) {
			return "only downsampled samples are left, in " + b.id.String()
		}
	}
	return "nothing of it is in the bucket"
}

// foreign reports whether a block that readers see is none that a manifest
// knows of.
func (c *check) foreign(b *block) bool {
	if len(b.holds) > 0 || len(c.parts)+len(c.unreadable) == 0 || (b.role != roleRaw && b.role != roleDownsampled) {
		return false
	}
	// The manifest that should list it may be broken, or not up to date yet.
	manifest := b.meta.Thanos.Extensions.Benchkeep.Manifest
	if c.unreadable[manifest] {
		return false
	}
	for _, p := range c.parts {
		if p.object == manifest && p.state != archive.StateArchived {
			return false
		}
		if b.role == roleDownsampled && slices.ContainsFunc(p.listings, func(l *listing) bool {
			return p.mayHave(b.meta.Thanos.Labels) && b.spans(l.entry)
		}) {
			return false
		}
	}
	return true
}

// checkOverlaps looks for blocks that share external labels, resolution and
// time: a Compactor halts on them.
func (c *check) checkOverlaps() {
	groups := map[string][]*block{}
	for _, b := range c.blocks {
		if b.role == roleRaw || b.role == roleDownsampled {
			key := fmt.Sprint(b.meta.Thanos.Downsample.Resolution, show(b.meta.Thanos.Labels))
			groups[key] = append(groups[key], b)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		group := groups[key]
		slices.SortStableFunc(group, func(a, b *block) int { return cmp.Compare(a.meta.MinTime, b.meta.MinTime) })
		latest := group[0]
		for _, b := range group[1:] {
			if b.meta.MinTime < latest.meta.MaxTime {
				c.add(BlockOverlap, b.id.String(), "begins at %d, and %s with the same labels ends at %d", b.meta.MinTime, latest.id, latest.meta.MaxTime)
			}
			if b.meta.MaxTime > latest.meta.MaxTime {
				latest = b
			}
		}
	}
}
