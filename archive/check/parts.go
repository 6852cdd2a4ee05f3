package check

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// part is one part of the run, as its manifest tells.
type part struct {
	*archive.Manifest
	object   string
	state    archive.State
	listings []*listing
}

// listing is a block as a manifest lists it.
type listing struct {
	part  *part
	entry *archive.Block
	// holder is the block that readers find the samples in: the listed one, or
	// what a compaction made of it. It is nil where there is none.
	holder *block
}

// mayHave reports whether a block of the part may have the external labels. A
// part gets its receiver label when it learns that it needs one, so that its
// first blocks can be without.
func (p *part) mayHave(external map[string]string) bool {
	if maps.Equal(external, p.Labels) {
		return true
	}
	early := maps.Clone(p.Labels)
	delete(early, archive.LabelReceiver)
	return p.Labels[archive.LabelReceiver] == p.Part && maps.Equal(external, early)
}

// readParts gets the manifests of the run.
func (c *check) readParts(ctx context.Context) error {
	var objects []string
	for _, p := range c.run.Parts {
		objects = append(objects, p.Object)
	}
	for _, b := range c.run.Broken {
		objects = append(objects, b.Object)
	}
	slices.Sort(objects)
	for _, object := range objects {
		data, found, err := c.read(ctx, object)
		if err != nil {
			return err
		}
		if !found {
			c.add(ManifestMissing, object, "deleted while the run was checked")
			continue
		}
		m, err := archive.DecodeManifest(data)
		if err != nil {
			c.unreadable[object] = true
			c.add(ManifestUnreadable, object, "%v", err)
			continue
		}
		p := &part{Manifest: m, object: object, state: m.StateAt(time.Now())}
		for i := range m.Blocks {
			p.listings = append(p.listings, &listing{part: p, entry: &m.Blocks[i]})
		}
		c.parts = append(c.parts, p)
		c.checkManifest(p)
	}
	if len(objects) == 0 {
		c.add(ManifestMissing, archive.ManifestObject(c.run.ID, "*"), "no part of the run has a manifest")
	}
	return nil
}
