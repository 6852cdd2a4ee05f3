package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// cgroupPrefix and the id of a test's first process are the name of its cgroup.
const cgroupPrefix = "benchkeep-kubernetes-"

// makeCgroup makes a cgroup in every hierarchy.
func makeCgroup(name string) error {
	roots, err := cgroupRoots()
	for _, root := range roots {
		err = errors.Join(err, os.Mkdir(filepath.Join(root, name), 0o755))
	}
	return err
}

// removeCgroup removes a cgroup and those below it from every hierarchy.
func removeCgroup(name string) error {
	roots, err := cgroupRoots()
	for _, root := range roots {
		err = errors.Join(err, removeTree(filepath.Join(root, name)))
	}
	return err
}

// removeLeftCgroups removes the cgroups of tests that were killed.
func removeLeftCgroups() error {
	roots, err := cgroupRoots()
	for _, root := range roots {
		left, _ := filepath.Glob(filepath.Join(root, cgroupPrefix+"*"))
		for _, dir := range left {
			pid := strings.TrimPrefix(filepath.Base(dir), cgroupPrefix)
			if _, gone := os.Stat(filepath.Join("/proc", pid)); gone != nil {
				err = errors.Join(err, removeTree(dir))
			}
		}
	}
	return err
}

// cgroupRoots are where the hierarchies are mounted: one, or with cgroup v1 one
// for each controller.
func cgroupRoots() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	var roots []string
	for line := range strings.Lines(string(mounts)) {
		// The type of the file system stands behind the optional fields.
		_, filesystem, _ := strings.Cut(line, " - ")
		if strings.HasPrefix(filesystem, "cgroup") {
			roots = append(roots, strings.Fields(line)[4])
		}
	}
	return roots, err
}

// removeTree removes a cgroup and those below it. Their files go with them and
// cannot be removed before.
func removeTree(dir string) error {
	below, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range below {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}
