package blockcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// resident is a block that the cache has.
type resident struct {
	name  string
	bytes int64
	used  time.Time // last
}

// reserve sets room aside for blocks that are to be fetched, each in a folder of
// its own, and removes what it takes to stay within the bound.
func (c *Cache) reserve(ctx context.Context, fetches []*fetch, beside int64) (err error) {
	var want int64
	for _, f := range fetches {
		want += f.meta.bytes()
	}
	if err := c.holds(beside + want); err != nil {
		return err
	}
	unlock, err := c.exclusive(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	residents, reserved, err := c.survey()
	if err != nil {
		return c.local(err)
	}
	if err := c.makeRoom(residents, reserved, want); err != nil {
		return err
	}
	for _, f := range fetches {
		if err := f.begin(); err != nil {
			return c.local(err)
		}
	}
	return nil
}

// holds is an error if a set of blocks is larger than the bound, whatever else
// goes.
func (c *Cache) holds(bytes int64) error {
	if bytes <= c.maxBytes {
		return nil
	}
	return &DiskError{fmt.Errorf("the blocks take %s, more than --cache.size=%s allows: give at least --cache.size=%s",
		sizeFlag(bytes), sizeFlag(c.maxBytes), sizeFlag(bytes))}
}

// survey finds the blocks of the cache, and the bytes that are set aside for
// those on their way. It removes what nobody will make a block of any more. The
// cache's lock is held.
func (c *Cache) survey() (residents []resident, reserved int64, err error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, removedPrefix):
			err = os.RemoveAll(filepath.Join(c.dir, name))
		case strings.HasPrefix(name, fetchingPrefix):
			var bytes int64
			bytes, err = c.onItsWay(name)
			reserved += bytes
		default:
			if _, notBlock := ulid.ParseStrict(name); notBlock != nil {
				continue // none of the cache's
			}
			var r resident
			r, err = c.resident(name)
			residents = append(residents, r)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return residents, reserved, nil
}

// onItsWay is the room set aside for a fetch. The folder of one that was killed
// is removed: its lock, which was there before anybody could see it, is free.
func (c *Cache) onItsWay(name string) (int64, error) {
	removed, err := c.removeIdle(name)
	if removed || err != nil {
		return 0, err
	}
	size, _, _ := strings.Cut(strings.TrimPrefix(name, fetchingPrefix), "-")
	bytes, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return 0, nil // nobody's that knows the format
	}
	return bytes, nil
}

// resident looks at a block that the cache has.
func (c *Cache) resident(name string) (resident, error) {
	r := resident{name: name}
	dir := filepath.Join(c.dir, name)
	if info, err := os.Stat(filepath.Join(dir, lockFile)); err == nil {
		r.used = info.ModTime()
	}
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			r.bytes += info.Size()
		}
		return err
	})
	return r, err
}

// removeIdle removes a folder unless somebody has a lock of it, and reports
// whether it did. It has the lock itself until the folder is gone, so that nobody
// gets one in between. The cache's lock is held.
func (c *Cache) removeIdle(name string) (removed bool, err error) {
	lock, err := os.OpenFile(filepath.Join(c.dir, name, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, c.remove(name)
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	idle, err := tryLock(lock, true)
	if !idle || err != nil {
		return false, err
	}
	return true, c.remove(name)
}

// makeRoom removes blocks that nobody uses, those first whose last use is
// longest ago, until there is room. The cache's lock is held.
func (c *Cache) makeRoom(residents []resident, reserved, want int64) error {
	taken := reserved
	for _, r := range residents {
		taken += r.bytes
	}
	slices.SortFunc(residents, func(a, b resident) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, r := range residents {
		if taken+want <= c.maxBytes {
			return nil
		}
		removed, err := c.removeIdle(r.name)
		if err != nil {
			return c.local(err)
		}
		if removed {
			taken -= r.bytes
		}
	}
	if taken+want > c.maxBytes {
		return &DiskError{fmt.Errorf("the blocks take %s, and %s of the %s that --cache.size allows are in use: give at least --cache.size=%s, or wait for the others",
			sizeFlag(want), sizeFlag(taken), sizeFlag(c.maxBytes), sizeFlag(taken+want))}
	}
	return nil
}

// remove takes away a folder: whole, or not at all. The cache's lock is held.
func (c *Cache) remove(name string) error {
	gone, err := os.MkdirTemp(c.dir, removedPrefix)
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(c.dir, name), filepath.Join(gone, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(gone))
}

// sizeFlag writes a number of bytes as the flag --cache.size takes it, rounded up.
func sizeFlag(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for ; bytes >= 10<<10 && i < len(units)-1; i++ {
		bytes = (bytes + 1<<10 - 1) >> 10
	}
	return strconv.FormatInt(bytes, 10) + units[i]
}
