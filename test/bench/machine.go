package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// describeMachine tells what the figures were measured on, and with which
// versions.
func describeMachine(ctx context.Context, peers []peer) (string, error) {
	model, err := cpuModel()
	if err != nil {
		return "", err
	}
	var system syscall.Sysinfo_t
	if err := syscall.Sysinfo(&system); err != nil {
		return "", err
	}
	memory := uint64(system.Totalram) * uint64(system.Unit) >> 30
	var versions []string
	for _, p := range peers {
		version, err := p.version(ctx)
		if err != nil {
			return "", fmt.Errorf("version of %s: %w", p.title, err)
		}
		versions = append(versions, version)
	}
	return fmt.Sprintf("Machine: %s, %d CPUs, %d GiB, %s/%s. Versions: %s.\n",
		model, runtime.NumCPU(), memory, runtime.GOOS, runtime.GOARCH, strings.Join(versions, ", ")), nil
}

func cpuModel() (string, error) {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(raw) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value)), nil
		}
	}
	return "unknown CPU", nil
}

// version is the name and the version of the peer's program.
func (p peer) version(ctx context.Context) (string, error) {
	switch p.name {
	case productName:
		out, err := exec.CommandContext(ctx, p.product(), "version").Output()
		line, _, _ := strings.Cut(string(out), " (")
		return strings.Replace(line, ", version", "", 1) + " (" + runtime.Version() + ")", err
	case optionalPeer:
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", victoriaMetrics).Output()
		return "VictoriaMetrics " + string(out), err
	default:
		info, err := buildinfo.ReadFile(p.tool(p.name))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s (%s)", p.name, info.Main.Version, info.GoVersion), nil
	}
}
