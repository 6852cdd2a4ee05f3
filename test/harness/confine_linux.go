package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// confinement is what a confined program may write to, one path a line. It is
// in the environment of a test program that is to confine itself.
const confinement = "BENCHKEEP_TEST_CONFINEMENT"

// Nobody is the user that confined programs run as.
const Nobody = 65534

// StartConfined starts a benchkeep command as another user than root, without
// capabilities, where the whole file system is read-only but for the given
// folders. Making such a place takes root's rights. The test's TestMain has to
// call ConfineIfAsked.
func StartConfined(t testing.TB, dir, name string, writable []string, args ...string) *Process {
	t.Helper()
	for _, path := range writable {
		if err := os.Chown(path, Nobody, Nobody); err != nil {
			t.Fatalf("give a folder away, which takes root's rights: %v", err)
		}
	}
	// Folders above may be root's own; the program itself may lie in one.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatalf("open test folder: %v", err)
	}
	program := filepath.Join(dir, "program")
	content, err := os.ReadFile(product(t))
	if err == nil {
		err = os.WriteFile(program, content, 0o755)
	}
	if err != nil {
		t.Fatalf("copy program: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find test program: %v", err)
	}
	env := []string{confinement + "=" + strings.Join(writable, "\n")}
	return start(t, dir, name, self, env, append([]string{program}, args...)...)
}

// ConfineIfAsked turns a test program that StartConfined has started into the
// confined program. In any other it does nothing.
func ConfineIfAsked() {
	writable, asked := os.LookupEnv(confinement)
	if !asked {
		return
	}
	os.Unsetenv(confinement)
	err := confine(strings.Split(writable, "\n"))
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "confine:", err)
	os.Exit(125)
}

// confine makes mounts that this process alone sees, and gives up root.
func confine(writable []string) error {
	// Mounts are a thread's. Exec leaves none but the one that calls it.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, path := range writable {
		if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on itself: %w", path, err)
		}
	}
	points, err := mountPoints()
	if err != nil {
		return err
	}
	for _, point := range points {
		if slices.Contains(writable, point) {
			continue
		}
		const readOnly = syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_RDONLY
		// Of some of the kernel's own nobody but the kernel can change that.
		if err := syscall.Mount("", point, "", readOnly, ""); err != nil && point == "/" {
			return fmt.Errorf("make %s read-only: %w", point, err)
		}
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(Nobody), syscall.Setuid(Nobody))
}

func mountPoints() ([]string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var points []string
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			points = append(points, fields[4])
		}
	}
	return points, nil
}
