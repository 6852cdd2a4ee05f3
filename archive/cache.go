package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// cacheVersion changes with the format of the file and with what is kept of the
// records: a file of another version is not read.
const cacheVersion = 1

// settled is the age from which a modification time tells an object's content:
// many providers count in seconds, and an object may change twice in one.
const settled = time.Minute

// A Cache remembers, in a file, what was read of a bucket: a manifest for as
// long as its modification time is the same, edits and the meta.json of blocks
// for good, since they never change. It is an optimisation alone: a file that
// cannot be read, or written, costs time and nothing else.
//
// Several processes may use one file at the same time: each replaces it as a
// whole, and what one has written is as good as what another has.
type Cache struct {
	path string

	mu    sync.Mutex
	known cacheContent // what the file had
	used  cacheContent // what of it, and besides, this process came across
	fresh bool         // used has what known has not
}

type cacheContent struct {
	Version   int                        `json:"version"`
	Manifests map[string]cachedPart      `json:"manifests"`
	Edits     map[string]*Edit           `json:"edits"`
	Blocks    map[ulid.ULID]*StoredBlock `json:"blocks"`
}

type cachedPart struct {
	Modified time.Time `json:"modified"`
	Part     *Part     `json:"part"`
}

func newCacheContent() cacheContent {
	return cacheContent{
		Version:   cacheVersion,
		Manifests: map[string]cachedPart{},
		Edits:     map[string]*Edit{},
		Blocks:    map[ulid.ULID]*StoredBlock{},
	}
}

// OpenCache reads the file at path. A file that is not there or that is broken
// makes an empty cache.
func OpenCache(path string) *Cache {
	c := &Cache{path: path, known: newCacheContent(), used: newCacheContent()}
	var content cacheContent
	if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &content) == nil && content.Version == cacheVersion {
		c.known = content
	}
	return c
}

// Save writes what this process came across, if that is any different. What is
// no longer in the bucket is forgotten. A crash leaves the old file or the new
// one.
func (c *Cache) Save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := len(c.known.Manifests)+len(c.known.Edits)+len(c.known.Blocks) > len(c.used.Manifests)+len(c.used.Edits)+len(c.used.Blocks)
	if !c.fresh && !gone {
		return nil
	}
	data, err := json.Marshal(c.used)
	if err != nil {
		return fmt.Errorf("encode cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	// A name of its own: another process may be writing as well.
	f, err := os.CreateTemp(filepath.Dir(c.path), filepath.Base(c.path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// manifest gives what is known of a manifest of that modification time.
func (c *Cache) manifest(object string, modified time.Time) *Part {
	if c == nil || modified.IsZero() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known.Manifests[object]
	if !ok || e.Part == nil || !e.Modified.Equal(modified) {
		return nil
	}
	c.used.Manifests[object] = e
	e.Part.Object = object
	return e.Part
}

func (c *Cache) putManifest(object string, modified, now time.Time, p *Part) {
	if c == nil || modified.IsZero() || now.Sub(modified) < settled {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.Manifests[object] = cachedPart{modified, p}
	c.fresh = true
}

func (c *Cache) edit(object string) *Edit {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known.Edits[object]
	if e == nil {
		return nil
	}
	id, err := editID(object)
	if err != nil {
		return nil
	}
	e.id = id
	c.used.Edits[object] = e
	return e
}

func (c *Cache) putEdit(object string, e *Edit) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.Edits[object] = e
	c.fresh = true
}

func (c *Cache) block(id ulid.ULID) *StoredBlock {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.known.Blocks[id]
	if b == nil {
		return nil
	}
	c.used.Blocks[id] = b
	copied := *b // what is found out of it is not kept
	return &copied
}

func (c *Cache) putBlock(b *StoredBlock) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := *b
	if copied.Labels[LabelRun] == "" { // none of ours: that is all there is to know
		copied = StoredBlock{ULID: b.ULID}
	}
	c.used.Blocks[b.ULID] = &copied
	c.fresh = true
}
