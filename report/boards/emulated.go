package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// machine is a board that QEMU emulates, with the kernel that Debian has for it.
type machine struct {
	name, label string
	arch        string // Debian's
	kernel      string // Debian's package, which depends on the real one
	tree        string // device tree in that package, "" where QEMU makes one
	append      string
	qemu        []string
}

func emulatedBoards(work string) []board {
	var list []board
	for _, m := range []machine{
		{
			name: "emulated-raspberry-pi-1", label: "Raspberry Pi Model B, emulated",
			arch: "armel", kernel: "linux-image-rpi", tree: "bcm2835-rpi-b.dtb",
			// This driver hangs on what QEMU emulates of the power management.
			append: "console=ttyAMA0 initcall_blacklist=bcm2835_pm_driver_init",
			qemu:   []string{"-M", "raspi1ap"},
		},
		{
			name: "emulated-cubieboard", label: "CubieBoard (Cortex-A8), emulated",
			arch: "armhf", kernel: "linux-image-armmp", tree: "sun4i-a10-cubieboard.dtb",
			append: "console=ttyS0,115200",
			qemu:   []string{"-M", "cubieboard", "-m", "1024"},
		},
		{
			name: "emulated-cortex-a7", label: "two Cortex-A7 cores as on a Banana Pi, emulated",
			arch: "armhf", kernel: "linux-image-armmp", append: "console=ttyAMA0",
			qemu: []string{"-M", "virt", "-cpu", "cortex-a7", "-smp", "2", "-m", "1024", "-accel", "tcg,thread=multi"},
		},
	} {
		list = append(list, board{m.name, m.label, func(ctx context.Context) ([]byte, error) { return m.measure(ctx, work) }})
	}
	return list
}

// patience is for a board to boot, measure and tell.
const patience = 5 * time.Minute

func (m machine) measure(ctx context.Context, work string) ([]byte, error) {
	packages, err := unpackKernel(ctx, work, m.arch, m.kernel)
	if err != nil {
		return nil, err
	}
	kernel, err := one(filepath.Join(packages, "boot", "vmlinuz-*"))
	if err != nil {
		return nil, err
	}
	initramfs, err := makeInitramfs(ctx, work)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"-nographic", "-monitor", "none", "-nic", "none", "-no-reboot", "-kernel", kernel, "-initrd", initramfs,
		"-append", m.append + " quiet loglevel=0 panic=-1 rdinit=/init",
	}, m.qemu...)
	if m.tree != "" {
		tree, err := one(filepath.Join(packages, "usr", "lib", "linux-image-*", m.tree))
		if err != nil {
			return nil, err
		}
		args = append(args, "-dtb", tree)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-arm", args...)
	console, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start qemu-system-arm: %w", err)
	}
	text, listenErr := listen(console)
	// The Raspberry Pi does not switch itself off.
	cmd.Process.Kill()
	cmd.Wait()
	return text, listenErr
}

// The guest's words on its console, between the kernel's.
const (
	said   = "BOARD> "
	done   = "BOARD. "
	failed = "BOARD! "
)

// listen reads the console until the guest has told everything.
func listen(console io.Reader) ([]byte, error) {
	var encoded strings.Builder
	var last []string
	lines := bufio.NewScanner(console)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		switch {
		case strings.HasPrefix(line, said):
			encoded.WriteString(strings.TrimPrefix(line, said))
			continue
		case strings.HasPrefix(line, failed):
			return nil, errors.New("on the board: " + strings.TrimPrefix(line, failed))
		case strings.HasPrefix(line, done):
			packed, err := base64.StdEncoding.DecodeString(encoded.String())
			if err != nil {
				return nil, fmt.Errorf("the board's report was garbled: %w", err)
			}
			unpack, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				return nil, fmt.Errorf("the board's report was garbled: %w", err)
			}
			return io.ReadAll(unpack)
		}
		if last = append(last, line); len(last) > 20 {
			last = last[1:]
		}
	}
	return nil, fmt.Errorf("the board fell silent; its last words:\n%s", strings.Join(last, "\n"))
}

// one is the only file that a pattern matches.
func one(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s matches %d files, want 1", pattern, len(found))
	}
	return found[0], nil
}

// unpackKernel downloads a kernel package of another architecture with apt, in
// a state of its own so that the machine's stays as it is, and unpacks it.
func unpackKernel(ctx context.Context, work, arch, name string) (string, error) {
	folder := filepath.Join(work, name)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	state := filepath.Join(work, "apt-"+arch)
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(state, sub), 0o755); err != nil {
			return "", err
		}
	}
	apt := func(program string, args ...string) (string, error) {
		args = append([]string{
			"-q", "-o", "APT::Architecture=" + arch, "-o", "APT::Architectures::=" + arch, "-o", "APT::Sandbox::User=root",
			"-o", "Dir::State=" + state + "/state", "-o", "Dir::Cache=" + state + "/cache", "-o", "Dir::State::status=/dev/null",
		}, args...)
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = state
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return string(out), nil
	}
	// Repositories that have nothing for this architecture make apt complain.
	_, updateErr := apt("apt-get", "update")
	depends, err := apt("apt-cache", "depends", name)
	if err != nil {
		return "", errors.Join(updateErr, err)
	}
	_, real, ok := strings.Cut(depends, "Depends: ")
	if !ok {
		return "", errors.Join(updateErr, fmt.Errorf("%s depends on no kernel:\n%s", name, depends))
	}
	real, _, _ = strings.Cut(real, "\n")
	if _, err := apt("apt-get", "download", strings.TrimSpace(real)); err != nil {
		return "", err
	}
	file, err := one(filepath.Join(state, "linux-image-*.deb"))
	if err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", file, folder).CombinedOutput(); err != nil {
		return "", fmt.Errorf("dpkg-deb -x %s %s: %w\n%s", file, folder, err, out)
	}
	return folder, nil
}
