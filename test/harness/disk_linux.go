package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A Disk is a small file system of its own.
type Disk struct {
	// Path is where it is mounted.
	Path string
	t    testing.TB
}

// MountDisk mounts a file system in memory for the test, which takes the right
// to mount: root's, in a container or out of it.
func MountDisk(t testing.TB, dir string, megabytes int) *Disk {
	t.Helper()
	d := &Disk{Path: Sub(t, dir, "disk"), t: t}
	err := syscall.Mount("tmpfs", d.Path, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes))
	if err != nil {
		t.Fatalf("mount a small disk, which takes root's rights: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			d.keep(filepath.Join(dir, "disk-as-left"))
		}
		if err := syscall.Unmount(d.Path, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return d
}

// keep copies what is on the disk to where it outlives the test.
func (d *Disk) keep(to string) {
	if err := os.CopyFS(to, os.DirFS(d.Path)); err != nil {
		d.t.Errorf("keep disk: %v", err)
	}
}

const ballast = "ballast"

// Fill fills the disk with ballast but for some bytes, no matter who else
// writes to it meanwhile.
func (d *Disk) Fill(leave int64) {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.Path, ballast), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Errorf("make ballast: %v", err)
		return
	}
	defer f.Close()
	full := int64(0)
	for portion := d.Free() - leave; portion > 0; portion = min(portion, d.Free()-leave) {
		err := syscall.Fallocate(int(f.Fd()), 0, full, portion)
		switch {
		case err == nil:
			full += portion
		case errors.Is(err, syscall.ENOSPC):
			portion /= 2 // others were faster
		case !errors.Is(err, syscall.EINTR):
			d.t.Errorf("write ballast: %v", err)
			return
		}
	}
}

// Empty takes the ballast away.
func (d *Disk) Empty() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Path, ballast)); err != nil {
		d.t.Fatalf("remove ballast: %v", err)
	}
}

// Free is the space that is left, in bytes.
func (d *Disk) Free() int64 {
	d.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.Path, &s); err != nil {
		d.t.Errorf("look at disk: %v", err)
	}
	return int64(s.Bavail) * s.Bsize
}
