//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package blockcache

import (
	"os"
	"path/filepath"
	"time"
)

// abandoned is the age from which a folder counts as nobody's, where there are
// no locks that end with a process.
const abandoned = 24 * time.Hour

// tryLock makes up for flock by the time of the last use: what was used within
// a day cannot be had for oneself. The lock of the cache itself always can.
func tryLock(f *os.File, exclusive bool) (bool, error) {
	if !exclusive {
		return true, nil
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(f.Name()), blockFolder)); err != nil {
		return true, nil
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return time.Since(info.ModTime()) > abandoned, nil
}
