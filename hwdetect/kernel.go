package hwdetect

import (
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

// readKernel asks uname(2) for the running system; below another root, the
// release stands in /proc/sys/kernel/osrelease and the machine in
// /proc/sys/kernel/arch (since Linux 6.1).
func readKernel(f rootfs.FS) Kernel {
	if filepath.Clean(string(f.Root)) == "/" {
		var u unix.Utsname
		if unix.Uname(&u) == nil {
			return Kernel{Release: unix.ByteSliceToString(u.Release[:]), Machine: unix.ByteSliceToString(u.Machine[:])}
		}
	}
	return Kernel{Release: f.Line("/proc/sys/kernel/osrelease"), Machine: f.Line("/proc/sys/kernel/arch")}
}

// userland reports whether the programs are 32-bit under a 64-bit kernel, as on
// Raspberry Pi OS for the 3 and 4, where uname says aarch64.
func userland(f rootfs.FS, machine string) string {
	if machine != "aarch64" && machine != "x86_64" {
		return ""
	}
	if program := systemMachine(f); program == "arm" || program == "386" {
		return "32-bit"
	}
	return ""
}

// systemMachine is the machine type of a program that every system has.
func systemMachine(f rootfs.FS) string {
	for _, path := range []string{"/sbin/init", "/bin/sh", "/usr/bin/sh"} {
		file, err := f.Root.Open(path)
		if err != nil {
			continue
		}
		b, err := readELF(io.NewSectionReader(file, 0, maxProgram))
		_ = file.Close()
		if err == nil {
			return b.Machine
		}
	}
	return ""
}

// virtual names what the machine runs in, by its own signs: QEMU's virt
// machine, a hypervisor's node in the device tree, DMI names, the CPU flag.
func virtual(b Board, info CPUInfo, hypervisor string) string {
	if len(b.Compatible) > 0 && b.Compatible[0] == "linux,dummy-virt" {
		return "qemu"
	}
	if strings.Contains(hypervisor, "kvm") {
		return "kvm"
	}
	if strings.Contains(hypervisor, "xen") {
		return "xen"
	}
	// In this order: "QEMU KVM Virtual Machine" is all three.
	for _, x := range []struct{ sign, name string }{
		{"KVM", "kvm"}, {"QEMU", "qemu"}, {"VirtualBox", "virtualbox"}, {"VMware", "vmware"}, {"Virtual Machine", "hyper-v"},
	} {
		if strings.Contains(b.Model, x.sign) || strings.Contains(b.Maker, x.sign) {
			return x.name
		}
	}
	for _, p := range info.Processors {
		for _, f := range p.Features {
			if f == "hypervisor" {
				return "a hypervisor"
			}
		}
	}
	return ""
}
