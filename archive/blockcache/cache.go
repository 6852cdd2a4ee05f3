package blockcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
)

// Names in the cache's folder, and in that of a block.
const (
	lockFile       = "lock"
	blockFolder    = "block"
	fetchingPrefix = "fetching-"
	removedPrefix  = "removed-"
)

const (
	// requestsAtOnce bounds the requests to the bucket at a time.
	requestsAtOnce = 8
	// lockPoll is how often a process that waits looks for the cache's lock.
	lockPoll = 10 * time.Millisecond
)

// A Cache is a folder of blocks. Several goroutines, and several processes, may
// use it at the same time.
type Cache struct {
	dir      string
	maxBytes int64
}

// Open opens a cache in a folder, which it makes if need be. Blocks take no more
// than maxBytes.
func Open(dir string, maxBytes int64) (*Cache, error) {
	c := &Cache{dir: dir, maxBytes: maxBytes}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, c.local(err)
	}
	return c, nil
}

// A DiskError is about the cache's folder or its bound, and no fault of the
// bucket. It names the flag to change.
type DiskError struct{ Err error }

func (e *DiskError) Error() string { return e.Err.Error() }
func (e *DiskError) Unwrap() error { return e.Err }

// local says of an error of the local disk which flag it is about.
func (c *Cache) local(err error) error {
	if err == nil {
		return nil
	}
	return &DiskError{fmt.Errorf("%w; --cache.dir=%s has to be a folder that can be written, with room for %s",
		err, c.dir, sizeFlag(c.maxBytes))}
}

// A Set is blocks that are open, and that stay in the cache until Close.
type Set struct {
	// Blocks are in the order in which they were asked for.
	Blocks []*Block
}

// Close closes all blocks. Readers of theirs have to be closed before.
func (s *Set) Close() error {
	var err error
	for _, b := range s.Blocks {
		if b != nil {
			err = errors.Join(err, b.close())
		}
	}
	s.Blocks = nil
	return err
}

// Blocks opens blocks, and fetches from the bucket those that the cache does not
// have, or has no more as they were. All have to be in the bucket. The caller
// closes the set.
//
// The function is told how many bytes are fetched and how many are to be, by one
// goroutine at a time; it may be nil. An error is a [BlockError] where the bucket
// is to blame for one of the blocks, and a [DiskError] where the cache is.
func (c *Cache) Blocks(ctx context.Context, bkt objstore.BucketReader, blocks []*archive.StoredBlock, progress func(done, total int64)) (_ *Set, err error) {
	s := &Set{Blocks: make([]*Block, len(blocks))}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	var missing []*fetch
	for i, b := range blocks {
		if s.Blocks[i], err = c.cached(ctx, b); err != nil {
			return nil, err
		}
		if s.Blocks[i] == nil {
			missing = append(missing, &fetch{cache: c, bkt: bkt, stored: b, at: i})
		}
	}
	if len(missing) == 0 {
		return s, c.holds(s.bytes())
	}
	defer func() {
		for _, f := range missing {
			err = errors.Join(err, f.end())
		}
	}()
	err = c.fetchAll(ctx, missing, s.bytes(), progress)
	for _, f := range missing { // those that made it are open, also where others did not
		s.Blocks[f.at] = f.got
	}
	return s, err
}

// bytes is the room that the set's blocks take.
func (s *Set) bytes() (n int64) {
	for _, b := range s.Blocks {
		if b != nil {
			n += b.bytes
		}
	}
	return n
}

// fetchAll brings blocks into the cache beside others of the same set, which
// take the given room.
func (c *Cache) fetchAll(ctx context.Context, missing []*fetch, beside int64, progress func(done, total int64)) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for _, f := range missing {
		group.Go(func() (err error) {
			f.meta, err = readMeta(groupCtx, f.bkt, f.stored.ULID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := c.reserve(ctx, missing, beside); err != nil {
		return err
	}
	read := counter(missing, progress)
	group, groupCtx = errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for _, f := range missing {
		f.left.Store(int64(len(f.meta.files)))
		for _, file := range f.meta.files {
			group.Go(func() error {
				if err := f.file(groupCtx, file, read); err != nil {
					return err
				}
				if f.left.Add(-1) > 0 {
					return nil
				}
				return f.complete(groupCtx) // this was the block's last file
			})
		}
	}
	return group.Wait()
}

// cached opens a block that the cache has. It is nil where the cache has none,
// or none that is whole: then what there was is gone.
func (c *Cache) cached(ctx context.Context, stored *archive.StoredBlock) (*Block, error) {
	dir := c.blockDir(stored.ULID)
	lock, err := hold(dir)
	if err != nil {
		return nil, c.local(err)
	}
	if lock == nil {
		return nil, nil
	}
	b, err := c.open(dir, lock, stored)
	if ofDisk(err) {
		return nil, errors.Join(c.local(err), lock.Close())
	}
	if err != nil {
		return nil, errors.Join(c.discard(ctx, stored.ULID, lock), lock.Close())
	}
	now := time.Now()
	os.Chtimes(lock.Name(), now, now) //nolint:errcheck // it is but an older one then, when room is made
	return b, nil
}

func (c *Cache) blockDir(id ulid.ULID) string { return filepath.Join(c.dir, id.String()) }

// hold takes a shared lock of a block's folder: until it is closed nobody
// removes the folder to make room. It is nil where there is no such folder, or
// somebody is about to remove it.
func hold(dir string) (_ *os.File, err error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(lock, false)
	if locked {
		locked, err = isAt(lock, lock.Name())
	}
	if !locked || err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// discard removes a block that is damaged, whoever uses it, unless another has
// taken its place. The file is the lock of the damaged one; nil is for a folder
// that has no lock.
func (c *Cache) discard(ctx context.Context, id ulid.ULID, lock *os.File) (err error) {
	unlock, err := c.exclusive(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	same, err := isAt(lock, filepath.Join(c.blockDir(id), lockFile))
	if err != nil || !same {
		return c.local(err)
	}
	return c.local(c.remove(id.String()))
}

// isAt reports whether a path leads to an open file, or, if the file is nil,
// nowhere. Between opening and locking a file its folder may be removed, and
// another be put there.
func isAt(f *os.File, path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return f == nil, nil
	}
	if err != nil || f == nil {
		return false, err
	}
	own, err := f.Stat()
	return err == nil && os.SameFile(info, own), err
}

// exclusive takes the cache's lock, which is held for moments only, and waits
// for it if need be. The function it returns gives it back.
func (c *Cache) exclusive(ctx context.Context) (unlock func() error, err error) {
	lock, err := os.OpenFile(filepath.Join(c.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, c.local(err)
	}
	for {
		locked, err := tryLock(lock, true)
		if err != nil {
			return nil, errors.Join(c.local(err), lock.Close())
		}
		if locked {
			return lock.Close, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), lock.Close())
		case <-time.After(lockPoll):
		}
	}
}
