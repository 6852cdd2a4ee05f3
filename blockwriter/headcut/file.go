package headcut

import (
	"crypto/sha256"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// osFile is what is done with a file that is written front to back.
type osFile interface {
	io.WriteCloser
	Sync() error
}

func createFile(path string) (osFile, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
}

// file is a file of a block. It is hashed as it is written, while its bytes
// are in the processor's cache.
type file struct {
	osFile
	path string
	rel  string // in the block's folder, with slashes
	size int64  // bytes written
	sum  hash.Hash
	done bool // nothing is open any more
}

func (c *cut) newFile(rel string) (*file, error) {
	path := c.temp(filepath.FromSlash(rel))
	f, err := c.create(path)
	if err != nil {
		return nil, err
	}
	return &file{osFile: f, path: path, rel: rel, sum: sha256.New()}, nil
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.osFile.Write(p)
	f.sum.Write(p[:n])
	f.size += int64(n)
	return n, err
}

// finish makes the file durable and closes it.
func (f *file) finish() error {
	if err := f.Sync(); err != nil {
		return err
	}
	f.done = true
	return f.Close()
}

// giveUp closes a file that could not be finished.
func (f *file) giveUp() {
	if !f.done {
		f.done = true
		f.Close()
	}
}

// finish completes a data file and tells of it.
func (c *cut) finish(f *file, largestEntry int64) error {
	if err := f.finish(); err != nil {
		f.giveUp()
		return err
	}
	c.opts.FileDone(File{
		Block: c.meta.ULID, Path: f.path, RelPath: f.rel,
		Size: f.size, SHA256: f.sum.Sum(nil), LargestEntry: largestEntry,
	})
	return nil
}
