package kubernetes

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// role, in the environment of the test program, says which of three processes
// it is: the one that was started, process 1 of the namespaces, or the one that
// runs the tests in them.
const role = "BENCHKEEP_TEST_KUBERNETES"

const (
	roleInit  = "init"
	roleTests = "tests"
)

// cgroups, in the environment, is the cgroup of this run's containers.
const cgroups = "BENCHKEEP_TEST_CGROUP"

// Addresses of the node, which is on no network but the test's own. Pods know
// the API server by that of its Service, for which no proxy is needed then.
const (
	nodeAddress    = "192.0.2.1"
	serviceAddress = "10.96.0.1"
)

func TestMain(m *testing.M) {
	var code int
	var err error
	switch os.Getenv(role) {
	case roleTests:
		code = m.Run()
	case roleInit:
		code, err = runInit()
	default:
		code, err = runIsolated()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runIsolated runs this program once more, in namespaces of its own.
func runIsolated() (int, error) {
	if os.Getuid() != 0 {
		return 0, errors.New("a kubelet and its containers take root's rights: run this test as root")
	}
	// The kernel ends the child when the thread that started it ends.
	runtime.LockOSThread()
	cgroup := cgroupPrefix + strconv.Itoa(os.Getpid())
	if err := errors.Join(removeLeftCgroups(), makeCgroup(cgroup)); err != nil {
		return 0, err
	}
	cmd := again(roleInit, cgroups+"="+cgroup)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("start in namespaces of its own: %w", err)
	}
	return cmd.ProcessState.ExitCode(), removeCgroup(cgroup)
}

// again is the command of this program in another role.
func again(newRole string, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(append(os.Environ(), role+"="+newRole), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// runInit is process 1: it furnishes the namespaces, starts the tests, and
// buries every process whose parent has gone, as containerd's shims do. When it
// ends, the kernel ends all others.
func runInit() (int, error) {
	if err := errors.Join(furnish(), network()); err != nil {
		return 0, err
	}
	tests := again(roleTests)
	if err := tests.Start(); err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the tests: %w", err)
		case pid == tests.Process.Pid && status.Signaled():
			return 0, fmt.Errorf("the tests were ended by signal: %s", status.Signal())
		case pid == tests.Process.Pid:
			return status.ExitStatus(), nil
		}
	}
}

// own are folders in which containerd, runc and the plug-ins write, whatever
// they are told.
var own = []string{"/run", "/var/log", "/var/lib/cni"}

// tunables are what a kubelet sets on its machine when it starts.
var tunables = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// furnish makes the mounts that this and the processes below it alone see.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range own {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for _, name := range tunables {
		path := filepath.Join("/proc/sys", name)
		copied := filepath.Join("/run/sys", name)
		value, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(copied), 0o755), os.WriteFile(copied, value, 0o644)); err != nil {
			return err
		}
		if err := syscall.Mount(copied, path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount on %s: %w", path, err)
		}
	}
	return nil
}

// unmount takes away what is still mounted below the folders, so that they can
// be removed.
func unmount(t testing.TB, dirs ...string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Errorf("list mounts: %v", err)
	}
	lines := slices.Collect(strings.Lines(string(mounts)))
	slices.Reverse(lines) // the later one may be on top of the one before
	for _, line := range lines {
		point := strings.Fields(line)[4]
		if !slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(point, dir+"/") }) {
			continue
		}
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", point, err)
		}
	}
}

// network gives the node its loopback and the addresses that pods can reach.
func network() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("set up loopback: %w", err)
	}
	for _, ip := range []string{nodeAddress, serviceAddress} {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(ip), Mask: net.CIDRMask(32, 32)}}
		if err := netlink.AddrAdd(loopback, address); err != nil {
			return fmt.Errorf("add address %s: %w", ip, err)
		}
	}
	return nil
}
