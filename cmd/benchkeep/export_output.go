package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/benchkeep/benchkeep/archive/export"
)

// writeExport hands a function the output: a file, which is there when the
// function has returned no error, or standard output.
func writeExport(path string, umask fs.FileMode, write func(export.Output) error) error {
	if path == "" {
		return write(&streamOutput{to: os.Stdout})
	}
	if err := writeWhole(path, umask, func(f *os.File) error { return write(fileOutput{f}) }); err != nil {
		return fmt.Errorf("--output-file=%s: %w", path, err)
	}
	return nil
}

// writeWhole has a function write a file that takes the place of what is at the
// path. A crash leaves what was there before.
func writeWhole(path string, umask fs.FileMode, write func(*os.File) error) (err error) {
	mode := 0o666 &^ umask
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return errors.New("it is no regular file: leave the flag out to write to standard output")
		}
		mode = info.Mode().Perm()
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// fileOutput is a file that can begin anew.
type fileOutput struct{ *os.File }

// Restart implements [export.Output].
func (f fileOutput) Restart() error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// streamOutput is one that cannot.
type streamOutput struct {
	to    io.Writer
	begun bool
}

func (s *streamOutput) Write(p []byte) (int, error) {
	s.begun = true
	return s.to.Write(p)
}

// Restart implements [export.Output].
func (s *streamOutput) Restart() error {
	if s.begun {
		return incompleteError{errors.New("a block was damaged in the cache, and is there anew: what was printed so far is of no use, run the command once more")}
	}
	return nil
}
