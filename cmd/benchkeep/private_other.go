//go:build !unix

package main

import "io/fs"

// keepPrivate has nothing to do where files have no permissions of this kind.
func keepPrivate() fs.FileMode { return 0o022 }
