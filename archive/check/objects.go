package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
)

// checkBlock checks one block and keeps what its content comes to.
func (c *check) checkBlock(ctx context.Context, b *block) (err error) {
	dir, err := os.MkdirTemp("", "benchkeep-verify-")
	if err != nil {
		return noRoom(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	got, err := c.fetchAll(ctx, b, dir)
	if err != nil {
		return err
	}
	gone, err := c.goneMeanwhile(ctx, b, got)
	if err != nil {
		return err
	}
	if gone {
		c.letGo(b)
		return nil
	}
	c.report.Blocks++
	if b.role != roleInvisible {
		c.checkMeta(b)
	}
	c.checkObjects(b, got)
	if err := c.readContent(ctx, b, dir); err != nil {
		return err
	}
	if b.account != nil {
		b.account.addSeries(b.content.series)
	}
	b.content.series = nil
	return nil
}

// goneMeanwhile reports whether somebody deletes the block: an object that was
// listed is gone, and so is meta.json, which goes first.
func (c *check) goneMeanwhile(ctx context.Context, b *block, got []fetched) (bool, error) {
	lost := false
	for i, f := range b.meta.dataFiles() {
		lost = lost || !got[i].there && slices.Contains(b.objects, f.RelPath)
	}
	if !lost || b.role == roleInvisible {
		return false, nil
	}
	object := b.object(archive.MetaFile)
	there, err := c.bkt.Exists(ctx, object)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", object, err)
	}
	return !there, nil
}

// letGo is told of a block that was deleted while it was checked. A run that
// goes on replaces blocks.
func (c *check) letGo(b *block) {
	const why = "deleted while it was checked"
	for _, l := range b.holds {
		if l.part.state != archive.StateRunning {
			c.add(BlockMissing, b.id.String(), "%s lists it; it was %s", l.part.object, why)
			return
		}
	}
	c.skip(b, why)
}

// noRoom tells what to change where the temporary folder cannot be written.
func noRoom(err error) error {
	return fmt.Errorf("%w; TMPDIR names a folder with room for the largest block", err)
}

// fetched is an object as it is in the bucket.
type fetched struct {
	there  bool
	size   int64
	sha256 string // in hex
}

// fetchAll reads the files that meta.json lists, as far as they are among the
// block's objects: other names could lead anywhere. Index and segments are left
// in dir.
func (c *check) fetchAll(ctx context.Context, b *block, dir string) ([]fetched, error) {
	files := b.meta.dataFiles()
	got := make([]fetched, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	var mu sync.Mutex
	read := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		c.report.Bytes += int64(n)
		c.at.BytesDone += int64(n)
		c.progress(c.at)
	}
	for i, f := range files {
		if !slices.Contains(b.objects, f.RelPath) {
			continue
		}
		group.Go(func() (err error) {
			got[i], err = c.fetch(ctx, b.object(f.RelPath), localPath(dir, f.RelPath, b), read)
			return err
		})
	}
	return got, group.Wait()
}

// checkObjects holds the block's objects to its list of files.
func (c *check) checkObjects(b *block, got []fetched) {
	files := b.meta.dataFiles()
	for _, rel := range b.objects {
		known := rel == archive.MetaFile || slices.Contains(marks, rel)
		if !known && !slices.ContainsFunc(files, func(f archive.File) bool { return f.RelPath == rel }) {
			c.add(ObjectForeign, b.object(rel), "thanos.files does not list it")
		}
	}
	for i, f := range files {
		object := b.object(f.RelPath)
		switch {
		case !got[i].there:
			c.add(ObjectMissing, object, "thanos.files lists it")
		case got[i].size != f.SizeBytes:
			c.add(ObjectSize, object, "has %d bytes, thanos.files says %d", got[i].size, f.SizeBytes)
		case f.Hash != nil && f.Hash.Value != got[i].sha256:
			c.add(ObjectHash, object, "SHA-256 is %s, thanos.files says %s", got[i].sha256, f.Hash.Value)
		}
	}
}

// localPath is where a file is kept while the block is read. Each segment has a
// folder of its own, so that it can be read without those before it. The path
// is empty for what is not read: names of all kinds may come from the bucket.
func localPath(dir, rel string, b *block) string {
	switch {
	case rel == archive.IndexFile:
		return filepath.Join(dir, archive.IndexFile)
	case segmentPath.MatchString(rel) && b.role != roleDownsampled:
		return filepath.Join(segmentDir(dir, rel), "000001")
	default:
		return ""
	}
}

func segmentDir(dir, rel string) string { return filepath.Join(dir, filepath.Base(rel)) }

// fetch reads an object whole, and writes it to path, unless that is empty.
// Several fetches may run at the same time.
func (c *check) fetch(ctx context.Context, object, path string, read func(int)) (got fetched, err error) {
	var local localFile
	if path != "" {
		if err := local.create(path); err != nil {
			return got, err
		}
		defer func() { err = errors.Join(err, local.close()) }()
	}
	hash := sha256.New()
	count := writerFunc(func(p []byte) (int, error) { read(len(p)); return len(p), nil })
	got.size, err = c.copy(ctx, io.MultiWriter(hash, &local, count), object)
	switch {
	case err == nil:
		got.there, got.sha256 = true, hex.EncodeToString(hash.Sum(nil))
		return got, nil
	case c.bkt.IsObjNotFoundErr(err):
		return fetched{}, local.remove()
	default:
		return got, fmt.Errorf("read %s: %w", object, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// localFile is a file in the temporary folder. The zero value is none, and
// takes what is written to it nowhere.
type localFile struct{ file *os.File }

func (l *localFile) create(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return noRoom(err)
	}
	if l.file, err = os.Create(path); err != nil {
		return noRoom(err)
	}
	return nil
}

func (l *localFile) Write(p []byte) (int, error) {
	if l.file == nil {
		return len(p), nil
	}
	n, err := l.file.Write(p)
	if err != nil {
		err = noRoom(err)
	}
	return n, err
}

func (l *localFile) close() error {
	if err := l.file.Close(); err != nil {
		return noRoom(err)
	}
	return nil
}

func (l *localFile) remove() error {
	if l.file == nil {
		return nil
	}
	return os.Remove(l.file.Name())
}
