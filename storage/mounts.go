package storage

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/users"

	"github.com/moby/sys/mountinfo"
)

// mounts is what is mounted, in the kernel's order: of two at one place the
// later one is seen.
type mounts []*mountinfo.Info

func readMounts() (mounts, error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read what is mounted: %w", err)
	}
	return all, nil
}

// at is the mount that is seen at a place, nil if it is no mount point. An automount
// that nobody has used yet is none.
func (m mounts) at(place string) *mountinfo.Info {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i].Mountpoint == place && m[i].FSType != autofs {
			return m[i]
		}
	}
	return nil
}

// autofs is the type of an automount point (systemd.automount(5)).
const autofs = "autofs"

// automount reports whether a place is mounted at its first use.
func (m mounts) automount(place string) bool {
	return slices.ContainsFunc(m, func(i *mountinfo.Info) bool { return i.Mountpoint == place && i.FSType == autofs })
}

// below are the mount points inside a folder, itself not counted.
func (m mounts) below(folder string) []string {
	var all []string
	for _, i := range m {
		if strings.HasPrefix(i.Mountpoint, strings.TrimSuffix(folder, "/")+"/") {
			all = append(all, i.Mountpoint)
		}
	}
	return all
}

// containers are the root file systems of containers that have their layers in one of
// the folders.
func (m mounts) containers(folders []string) []string {
	var all []string
	for _, i := range m {
		if strings.HasPrefix(i.Mountpoint, runtimeRoots) && slices.ContainsFunc(folders,
			func(f string) bool { return users.Overlays(i, f) }) {
			all = append(all, i.Mountpoint)
		}
	}
	return all
}

// holding is the mount that a path lies on.
func (m mounts) holding(name string) *mountinfo.Info {
	for ; ; name = path.Dir(name) {
		if i := m.at(name); i != nil || name == "/" {
			return i
		}
	}
}

// of are the places where a block device is mounted. A bind mount of a folder of it is
// none: the folder is the disk's.
func (m mounts) of(dev devNumber) []string {
	var all []string
	for _, i := range m {
		if mountDevice(i) == dev && m.whole(i) == i {
			all = append(all, i.Mountpoint)
		}
	}
	return all
}

// whole is the mount of the same device that a mount is a part of: the one whose root
// is above its own, or itself.
func (m mounts) whole(part *mountinfo.Info) *mountinfo.Info {
	whole := part
	for _, i := range m {
		if tree.Inside(part.Root, i.Root) && len(i.Root) < len(whole.Root) && mountDevice(i) == mountDevice(part) {
			whole = i
		}
	}
	return whole
}

// devNumber is a block device's number.
type devNumber uint64

// mountDevice is the block device behind a mount; file systems such as btrfs show
// a number of their own, so the source's is asked for.
func mountDevice(i *mountinfo.Info) devNumber {
	if n, ok := blockNumber(i.Source); ok {
		return n
	}
	return number(i.Major, i.Minor)
}

// number is makedev(3).
func number(major, minor int) devNumber {
	a, b := uint64(major), uint64(minor)
	return devNumber((a&0xfff)<<8 | (a&^0xfff)<<32 | b&0xff | (b&^0xff)<<12)
}

func blockNumber(name string) (devNumber, bool) {
	if !strings.HasPrefix(name, "/") {
		return 0, false
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode()&os.ModeDevice == 0 || info.Mode()&os.ModeCharDevice != 0 {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return devNumber(stat.Rdev), ok //nolint:unconvert // narrower on some architectures
}

// bound reports whether folder is the bind mount of the same path below base, which
// is what our lines in fstab make of it.
func (m mounts) bound(base, folder string) bool {
	b, f := m.at(base), m.at(folder)
	return b != nil && f != nil && f.Major == b.Major && f.Minor == b.Minor && f.Root == path.Join(b.Root, folder)
}
