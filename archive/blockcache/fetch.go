package blockcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

// placeTries is how often a fetched block is put in its place: each time, other
// processes have to put one there and take it away at the very moment for it to
// be in vain.
const placeTries = 100

// A fetch is a block on its way into the cache.
type fetch struct {
	cache  *Cache
	bkt    objstore.BucketReader
	stored *archive.StoredBlock
	at     int // in the set
	meta   *meta

	dir  string       // where it grows; empty: nowhere yet, or no more
	lock *os.File     // shared; it stays the block's
	left atomic.Int64 // files
	got  *Block       // in the end
}

// begin makes the folder in which the block grows. The cache's lock is held, so
// that nobody sees the folder without its lock.
func (f *fetch) begin() (err error) {
	f.dir, err = os.MkdirTemp(f.cache.dir, fmt.Sprintf("%s%d-", fetchingPrefix, f.meta.bytes()))
	if err != nil {
		return err
	}
	f.lock, err = os.OpenFile(filepath.Join(f.dir, lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	locked, err := tryLock(f.lock, false)
	if err == nil && !locked {
		err = fmt.Errorf("%s is new, and locked", f.lock.Name())
	}
	if err != nil {
		return err
	}
	return os.MkdirAll(f.path(archive.ChunksDir), 0o700)
}

// path is where a file of the block is.
func (f *fetch) path(rel string) string {
	return filepath.Join(f.dir, blockFolder, filepath.FromSlash(rel))
}

// end lets go of what is left of the fetch: all of it, if it did not succeed.
func (f *fetch) end() (err error) {
	if f.lock != nil {
		err = f.lock.Close()
	}
	if f.dir != "" {
		err = errors.Join(err, os.RemoveAll(f.dir))
	}
	return err
}

// file fetches one file, and holds it to what meta.json says of it.
func (f *fetch) file(ctx context.Context, file archive.File, read func(int)) error {
	id := f.stored.ULID
	object := archive.BlockObject(id, file.RelPath)
	r, err := f.bkt.Get(ctx, object)
	if err != nil {
		return getError(f.bkt, id, object, err)
	}
	defer r.Close() // what could not be read, reading has told
	hash := sha256.New()
	var size int64
	source := io.TeeReader(io.LimitReader(r, file.SizeBytes+1), io.MultiWriter(hash, writerFunc(func(p []byte) (int, error) {
		size += int64(len(p))
		read(len(p))
		return len(p), nil
	})))
	readErr, writeErr := writeSynced(f.path(file.RelPath), source)
	sum := hex.EncodeToString(hash.Sum(nil))
	switch {
	case writeErr != nil:
		return f.cache.local(writeErr)
	case readErr != nil:
		return fmt.Errorf("read %s: %w", object, readErr)
	case size > file.SizeBytes:
		return damaged(f, "%s has more than the %d bytes that meta.json tells of", file.RelPath, file.SizeBytes)
	case size < file.SizeBytes:
		return damaged(f, "%s has %d bytes, meta.json says %d", file.RelPath, size, file.SizeBytes)
	case file.Hash != nil && file.Hash.Func == "SHA256" && file.Hash.Value != sum:
		return damaged(f, "SHA-256 of %s is %s, meta.json says %s", file.RelPath, sum, file.Hash.Value)
	}
	return nil
}

// damaged is an error about a block that is not in the bucket as it should be.
func damaged(f *fetch, format string, args ...any) error {
	return blockErrorf(f.stored.ULID, "it is damaged in the bucket: "+format, args...)
}

// complete makes the block one of the cache's.
func (f *fetch) complete(ctx context.Context) error {
	if err := f.sync(); err != nil {
		return f.cache.local(err)
	}
	block, err := f.cache.open(f.dir, f.lock, f.stored)
	if ofDisk(err) {
		return f.cache.local(err)
	}
	if err != nil {
		return damaged(f, "%w", err)
	}
	f.lock = nil // the block's
	for range placeTries {
		if f.got, err = f.place(ctx, block); f.got != nil || err != nil {
			break
		}
	}
	switch {
	case f.got == nil && err == nil:
		err = f.cache.local(fmt.Errorf("%s cannot be replaced", f.cache.blockDir(f.stored.ULID)))
	case f.got == block:
		return err
	}
	return errors.Join(err, block.close())
}

// sync writes what is left to write, and makes sure that all of it is on disk.
func (f *fetch) sync() error {
	if err := os.WriteFile(f.path(archive.MetaFile), f.meta.raw, 0o600); err != nil {
		return err
	}
	sum := filepath.Join(f.dir, metaSumFile)
	if err := os.WriteFile(sum, []byte(metaSum(f.meta.raw)), 0o600); err != nil {
		return err
	}
	for _, path := range []string{sum, f.path(archive.MetaFile), f.path(archive.ChunksDir), f.path(""), f.dir} {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	return nil
}

// place gives the block its name, or returns the one that another process has
// put there in the meantime. It returns nil where that one was damaged, or is
// gone already.
func (f *fetch) place(ctx context.Context, block *Block) (*Block, error) {
	c, target := f.cache, f.cache.blockDir(f.stored.ULID)
	// Who makes room counts each block once, here or there.
	unlock, err := c.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	renameErr := os.Rename(f.dir, target)
	if err := unlock(); err != nil {
		return nil, c.local(err)
	}
	if renameErr == nil {
		f.dir, block.dir = "", target
		return block, c.local(syncPath(c.dir))
	}
	if !errors.Is(renameErr, fs.ErrExist) {
		return nil, c.local(renameErr)
	}
	if other, err := c.cached(ctx, f.stored); other != nil || err != nil {
		return other, err
	}
	return nil, c.discard(ctx, f.stored.ULID, nil)
}

// counter gives the function that is told of bytes that were read.
func counter(fetches []*fetch, progress func(done, total int64)) func(int) {
	var total, done int64
	for _, f := range fetches {
		for _, file := range f.meta.files {
			total += file.SizeBytes
		}
	}
	if progress == nil {
		return func(int) {}
	}
	var mu sync.Mutex
	return func(n int) {
		mu.Lock()
		defer mu.Unlock()
		done += int64(n)
		progress(done, total)
	}
}

// writeSynced writes a new file from a reader, and tells whose the failure is.
func writeSynced(path string, r io.Reader) (readErr, writeErr error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(writerFunc(func(p []byte) (int, error) {
		n, err := file.Write(p)
		writeErr = err
		return n, err
	}), r)
	if writeErr == nil {
		readErr = err
	}
	if err == nil {
		writeErr = file.Sync()
	}
	return readErr, errors.Join(writeErr, file.Close())
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// syncPath makes a file, or the names in a folder, survive a crash.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
