package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
)

const (
	// growing ends the name of a block on its way. Prometheus removes such folders
	// when it starts.
	growing = ".tmp-for-creation"
	// lockFile is Prometheus' own, which it holds as long as it runs and then
	// removes.
	lockFile = "lock"
)

// BlockOptions say which blocks are put where.
type BlockOptions struct {
	Blocks []*archive.StoredBlock
	Dir    string
	// Umask is what files and folders are not to be allowed.
	Umask fs.FileMode
	// Progress is told how many bytes are fetched and how many are to be, by one
	// goroutine at a time; it may be nil.
	Progress func(done, total int64)
}

// Blocks puts blocks as they are into a folder, which it makes if need be and
// which is then the storage of a Prometheus. What was there already stays; it
// returns how many were not. Each block is there whole or not at all, whenever
// the process ends.
//
// A folder that holds anything else is a [DirError], and so is one that a
// Prometheus uses. Errors of the cache are as they are.
func Blocks(ctx context.Context, cache *blockcache.Cache, bkt objstore.BucketReader, o BlockOptions) (added int, err error) {
	if err := o.makeDir(); err != nil {
		return 0, &DirError{err}
	}
	if _, err := o.check(); err != nil { // before anything is put into what may be somebody else's
		return 0, &DirError{err}
	}
	lockPath := filepath.Join(o.Dir, lockFile)
	lock, _, err := fileutil.Flock(lockPath)
	if err != nil {
		return 0, &DirError{fmt.Errorf("lock %s, which a Prometheus or another export may be using: %w", o.Dir, err)}
	}
	defer func() { err = errors.Join(err, lock.Release(), os.Remove(lockPath)) }()
	names, err := o.check()
	if err != nil {
		return 0, &DirError{err}
	}
	var done, total int64 // bytes
	for _, b := range o.Blocks {
		total += b.Bytes
	}
	for _, b := range o.Blocks {
		if !slices.Contains(names, b.ULID.String()) {
			progress := func(n, _ int64) {
				if o.Progress != nil {
					o.Progress(done+n, total)
				}
			}
			if err := o.add(ctx, cache, bkt, b, progress); err != nil {
				return added, err
			}
			added++
		}
		done += b.Bytes
	}
	if err := syncFile(o.Dir); err != nil {
		return added, &DirError{err}
	}
	return added, nil
}

// A DirError is about the folder that blocks are to be put into.
type DirError struct{ Err error }

func (e *DirError) Error() string { return e.Err.Error() }
func (e *DirError) Unwrap() error { return e.Err }

// makeDir makes the folder unless it is there.
func (o *BlockOptions) makeDir() error {
	if _, err := os.Stat(o.Dir); err == nil {
		return nil
	}
	return errors.Join(os.MkdirAll(o.Dir, 0o777), o.allow(o.Dir))
}

// check finds out whether the folder can take the blocks, and returns the names
// of what it holds.
func (o *BlockOptions) check() (names []string, err error) {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), growing)
		ofRun := slices.ContainsFunc(o.Blocks, func(b *archive.StoredBlock) bool { return b.ULID.String() == name })
		_, notBlock := ulid.ParseStrict(name)
		switch {
		case e.Name() == lockFile:
		case ofRun && e.IsDir():
			names = append(names, e.Name())
		case notBlock == nil && e.IsDir():
			return nil, fmt.Errorf("%s has a block that is none of the run's, %s: want an empty folder, or one of an export of the same blocks", o.Dir, name)
		default:
			return nil, fmt.Errorf("%s has something else in it, %s: want an empty folder, or one of an export of the same run that no Prometheus was started on", o.Dir, e.Name())
		}
	}
	return names, nil
}

// add puts one block into the folder. One that is damaged in the cache is
// fetched again, once.
func (o *BlockOptions) add(ctx context.Context, cache *blockcache.Cache, bkt objstore.BucketReader, b *archive.StoredBlock, progress func(done, total int64)) error {
	var damaged *damagedError
	err := o.try(ctx, cache, bkt, b, progress)
	if errors.As(err, &damaged) {
		err = o.try(ctx, cache, bkt, b, progress)
	}
	if errors.As(err, &damaged) { // it was whole when it was fetched, a moment ago
		return &blockcache.DiskError{Err: err}
	}
	return err
}

// A damagedError is about a file that is not what its block's meta.json says.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }

// try puts one block into the folder. If it is damaged, the cache is rid of it.
func (o *BlockOptions) try(ctx context.Context, cache *blockcache.Cache, bkt objstore.BucketReader, b *archive.StoredBlock, progress func(done, total int64)) (err error) {
	set, err := cache.Blocks(ctx, bkt, []*archive.StoredBlock{b}, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	dir := filepath.Join(o.Dir, b.ULID.String())
	if err := os.RemoveAll(dir + growing); err != nil {
		return &DirError{err}
	}
	err = o.copy(ctx, set.Blocks[0].Dir(), dir+growing)
	if err == nil {
		err = os.Rename(dir+growing, dir)
	}
	if err == nil {
		return nil
	}
	err = errors.Join(err, os.RemoveAll(dir+growing))
	if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
		return errors.Join(err, set.Blocks[0].Discard(ctx))
	}
	return &DirError{err}
}

// copy copies the files of a block, and makes sure that they are on disk.
func (o *BlockOptions) copy(ctx context.Context, from, to string) error {
	hashes, err := readHashes(filepath.Join(from, archive.MetaFile))
	if err != nil {
		return err
	}
	var folders []string
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if e.IsDir() {
			folders = append(folders, target)
			return errors.Join(os.Mkdir(target, 0o777), o.allow(target))
		}
		sum, err := copyFile(path, target)
		if err != nil {
			return err
		}
		if want := hashes[filepath.ToSlash(rel)]; want != "" && want != sum {
			return &damagedError{fmt.Errorf("%s: SHA-256 is %s, meta.json says %s", path, sum, want)}
		}
		return o.allow(target)
	})
	for _, folder := range folders {
		err = errors.Join(err, syncFile(folder))
	}
	return err
}

// allow gives a file or folder the mode that the umask leaves it.
func (o *BlockOptions) allow(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if info.IsDir() {
		mode = 0o777
	}
	return os.Chmod(path, mode&^o.Umask)
}

// readHashes are the SHA-256 of a block's files, by path, as far as its meta.json
// tells.
func readHashes(metaFile string) (map[string]string, error) {
	raw, err := os.ReadFile(metaFile)
	if err != nil {
		return nil, err
	}
	var meta struct {
		Thanos struct{ Files []archive.File }
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return nil, fmt.Errorf("%s: %w", metaFile, err)
	}
	hashes := map[string]string{}
	for _, f := range meta.Thanos.Files {
		if f.Hash != nil && f.Hash.Func == "SHA256" {
			hashes[f.RelPath] = f.Hash.Value
		}
	}
	return hashes, nil
}

// copyFile copies a file to one that is not there yet, and gives its SHA-256.
func copyFile(from, to string) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close() // what could not be read, reading has told
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	if err == nil {
		err = out.Sync()
	}
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, out.Close())
}

// syncFile makes the names in a folder survive a crash.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
