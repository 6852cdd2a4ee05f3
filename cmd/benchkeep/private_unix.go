//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// keepPrivate lets nobody else into the files that the process makes from now
// on, and returns the umask that it was started with.
func keepPrivate() fs.FileMode { return fs.FileMode(syscall.Umask(0o077)) }
