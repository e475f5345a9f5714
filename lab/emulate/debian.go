package emulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// suite is the Debian of a board's root file system.
const suite = "bookworm"

// packages are what such a root file system has beyond Debian's smallest: what
// a kubelet needs, and what owners of disks use.
func packages() []string {
	return strings.Fields(`systemd systemd-sysv dbus udev kmod procps netbase ca-certificates
		containerd runc containernetworking-plugins iproute2 iptables nftables conntrack ethtool socat curl
		mdadm acl attr fdisk`)
}

// System returns the folder of a root file system for the board's CPU, which is
// installed once with debootstrap. Its programs run under QEMU's user mode
// meanwhile, which only root can arrange for.
func (b Board) System(ctx context.Context, cache string) (string, error) {
	list := strings.Join(packages(), ",")
	sum := sha256.Sum256([]byte(suite + " " + list))
	folder := filepath.Join(cache, "debian-"+b.Debian+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "debootstrap-")
	if err != nil {
		return "", err
	}
	// Killed in the middle, debootstrap leaves mounts.
	defer func() { _ = removeRoot(work) }()
	root := filepath.Join(work, "root")
	foreign := b.GOARCH != runtime.GOARCH
	args := []string{"--arch", b.Debian, "--variant", "minbase", "--include=" + list}
	if foreign {
		args = append(args, "--foreign")
	}
	if err := quietly(ctx, "debootstrap", append(args, suite, root)...); err != nil {
		return "", fmt.Errorf("install Debian for %s: %w", b.Name, err)
	}
	if foreign {
		release, err := b.interpret()
		if err != nil {
			return "", err
		}
		err = quietly(ctx, "chroot", root, "/debootstrap/debootstrap", "--second-stage")
		if err = errors.Join(err, release()); err != nil {
			return "", fmt.Errorf("install Debian for %s: %w", b.Name, err)
		}
	}
	debs, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	if err != nil {
		return "", err
	}
	for _, deb := range debs {
		if err := os.Remove(deb); err != nil {
			return "", err
		}
	}
	if err := unmountBelow(root); err != nil {
		return "", err
	}
	return folder, os.Rename(root, folder)
}

// quietly runs a command and shows the end of its output only when it fails. An ended
// ctx ends it as Ctrl-C would, so that it tidies up.
func quietly(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err,
			strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return nil
}

// binfmt is where the kernel learns of interpreters
// (Documentation/admin-guide/binfmt-misc.rst).
const binfmt = "/proc/sys/fs/binfmt_misc"

// interpret has the kernel run the board's programs in QEMU's user mode, until
// release is called.
func (b Board) interpret() (release func() error, err error) {
	machine, name, class := `\x28\x00`, "arm", `\x01`
	if b.GOARCH == "arm64" {
		machine, name, class = `\xb7\x00`, "aarch64", `\x02`
	}
	unmount := func() error { return nil }
	if _, err := os.Stat(binfmt + "/register"); err != nil {
		if err := unix.Mount("binfmt_misc", binfmt, "binfmt_misc", 0, ""); err != nil {
			return nil, fmt.Errorf("mount %s: %w", binfmt, err)
		}
		unmount = func() error { return unix.Unmount(binfmt, unix.MNT_DETACH) }
	}
	if _, err := os.Stat(binfmt + "/qemu-" + name); err == nil {
		return unmount, nil
	}
	// F: the kernel opens the interpreter now and not below the new root.
	entry := fmt.Sprintf(`:lab-%s:M::\x7fELF%s\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00%s:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-%s-static:OCF`,
		name, class, machine, name)
	own := binfmt + "/lab-" + name
	if _, err := os.Stat(own); err != nil {
		if err := os.WriteFile(binfmt+"/register", []byte(entry), 0); err != nil {
			return nil, errors.Join(fmt.Errorf("register qemu-%s-static: %w", name, err), unmount())
		}
	}
	return func() error { return errors.Join(os.WriteFile(own, []byte("-1"), 0), unmount()) }, nil
}

// removeRoot removes a root folder, and nothing that is mounted below it.
func removeRoot(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unmountBelow unmounts what debootstrap has mounted (proc_pid_mountinfo(5)).
func unmountBelow(dir string) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			if err := unix.Unmount(f[4], unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", f[4], err)
			}
		}
	}
	return nil
}
