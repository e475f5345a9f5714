// Package deps knows and installs the Debian packages that boards need.
package deps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// ForBoards maps files to the Debian packages that bring them.
func ForBoards() map[string]string {
	return map[string]string{
		"/usr/bin/containerd": "containerd", "/usr/sbin/runc": "runc", "/bin/ip": "iproute2",
		"/usr/sbin/xtables-nft-multi": "iptables", "/usr/sbin/nft": "nftables", "/usr/sbin/conntrack": "conntrack",
		"/usr/sbin/ethtool": "ethtool", "/usr/bin/socat": "socat", "/usr/lib/cni/bridge": "containernetworking-plugins",
		"/bin/mount": "mount", "/sbin/mkfs.ext4": "e2fsprogs",
		"/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
	}
}

// ForEmulator are those of lab boot.
func ForEmulator() map[string]string {
	return map[string]string{
		"/usr/bin/qemu-system-arm": "qemu-system-arm", "/usr/bin/qemu-system-aarch64": "qemu-system-arm",
		"/usr/bin/qemu-system-x86_64": "qemu-system-x86",
	}
}

// ForEmulated are those of emulated boards with Kubernetes (lab up --board).
func ForEmulated() map[string]string {
	all := ForEmulator()
	// What imports images for boards whose programs run here.
	all["/usr/bin/containerd"] = "containerd"
	for path, pkg := range map[string]string{
		"/usr/sbin/debootstrap": "debootstrap", "/usr/bin/qemu-arm-static": "qemu-user-static",
		"/usr/bin/qemu-img": "qemu-utils", "/usr/bin/fdtput": "device-tree-compiler",
		"/sbin/mkfs.ext4": "e2fsprogs", "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
	} {
		all[path] = pkg
	}
	return all
}

func missingPackages(needed map[string]string) []string {
	var missing []string
	for path, pkg := range needed {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, pkg)
		}
	}
	sort.Strings(missing)
	return slices.Compact(missing)
}

// NeedBoards returns an error that names the packages which boards of namespaces lack here.
func NeedBoards() error {
	return needPackages(ForBoards(), "lab deps")
}

// NeedEmulator is the same for lab boot.
func NeedEmulator() error { return needPackages(ForEmulator(), "lab deps --emulator") }

// NeedEmulated is the same for emulated boards with Kubernetes.
func NeedEmulated() error { return needPackages(ForEmulated(), "lab deps --emulated") }

func needPackages(needed map[string]string, command string) error {
	if missing := missingPackages(needed); len(missing) > 0 {
		return fmt.Errorf("the Debian packages %s are missing\nhint: install them with: %s",
			strings.Join(missing, ", "), command)
	}
	return nil
}

// Install installs what is missing. A policy file (invoke-rc.d(8)) keeps the
// packages from starting services: a board has a containerd of its own.
func Install(ctx context.Context, needed map[string]string) (err error) {
	missing := missingPackages(needed)
	if len(missing) == 0 {
		progress.Log("all Debian packages are here")
		return nil
	}
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Lstat(policy); os.IsNotExist(err) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer func() { _ = os.Remove(policy) }()
	}
	return progress.Step(ctx, "installing Debian packages: "+strings.Join(missing, " "), func() error {
		for _, args := range [][]string{
			{"apt-get", "update", "-qq"},
			append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, missing...),
		} {
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if err := command.Quiet(cmd); err != nil {
				return err
			}
		}
		return nil
	})
}
