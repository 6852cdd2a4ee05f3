package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
)

// uploadsDir is where objects of a directory bucket grow until they are whole.
// Like the manifests' it is a name that Thanos passes over.
const uploadsDir = "benchkeep/uploads"

// placeTries is how often an upload looks for its folder: each time, another
// deletion has to come at the very moment for it to be gone.
const placeTries = 100

// directoryBucket is objstore's FILESYSTEM provider, but for Upload and Delete:
// that one writes objects in place, so that a crash leaves half of one, and half
// a meta.json makes every reader of the bucket complain.
type directoryBucket struct {
	*filesystem.Bucket
	dir   string
	umask fs.FileMode
}

// NewDirectoryBucket makes a bucket of a local directory, in which an object is
// there whole or not at all. Several processes may use one directory; no two
// may upload the same object at the same time.
//
// Objects get the permissions that umask leaves, whatever that of the process
// is: others are to read a bucket, but not what the process keeps for itself.
func NewDirectoryBucket(dir string, umask fs.FileMode) (objstore.Bucket, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	bkt, err := filesystem.NewBucket(dir)
	if err != nil {
		return nil, err
	}
	return &directoryBucket{Bucket: bkt, dir: dir, umask: umask}, nil
}

// Upload writes beside the objects, syncs, and renames.
func (b *directoryBucket) Upload(ctx context.Context, name string, r io.Reader, _ ...objstore.ObjectUploadOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	target := filepath.Join(b.dir, filepath.FromSlash(name))
	// Named after the object: an upload that is tried again after a crash uses
	// the same place, and nothing is left behind.
	growing := filepath.Join(b.dir, filepath.FromSlash(uploadsDir), strings.ReplaceAll(name, objstore.DirDelim, "_"))
	if err := b.mkdirAll(filepath.Dir(growing)); err != nil {
		return err
	}
	if err := writeFile(growing, r, 0o666&^b.umask); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(growing))
	}
	if err := b.place(growing, target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// place renames a file to where it belongs. A deletion may take the folder for
// as long as it is empty: then it is made once more.
func (b *directoryBucket) place(growing, target string) (err error) {
	for range placeTries {
		if err = b.mkdirAll(filepath.Dir(target)); err == nil {
			err = os.Rename(growing, target)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// Delete removes an object, and the folders that are empty without it. Unlike
// the provider's own it never removes a folder with something in it: another
// process may just have put it there.
func (b *directoryBucket) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.Remove(path); err != nil {
		return err
	}
	for dir := filepath.Dir(path); dir != b.dir && os.Remove(dir) == nil; {
		dir = filepath.Dir(dir)
	}
	return nil
}

// IsAccessDeniedErr reports whether the files' permissions are in the way.
func (b *directoryBucket) IsAccessDeniedErr(err error) bool { return errors.Is(err, fs.ErrPermission) }

// IsObjNotFoundErr reports whether the object is not there.
func (b *directoryBucket) IsObjNotFoundErr(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// mkdirAll is os.MkdirAll with the bucket's umask.
func (b *directoryBucket) mkdirAll(path string) error {
	err := os.Mkdir(path, 0o700)
	switch {
	case err == nil:
		return os.Chmod(path, 0o777&^b.umask)
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := b.mkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		return b.mkdirAll(path)
	default:
		return err
	}
}

func writeFile(path string, r io.Reader, perm fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
