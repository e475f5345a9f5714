package linux

import (
	"bytes"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Mounts are a process's mounts in the kernel's order: later ones lie over earlier
// ones.
type Mounts []*mountinfo.Info

// ParseMounts reads /proc/PID/mountinfo (proc_pid_mountinfo(5)). A text that is not
// of that form holds no mounts.
func ParseMounts(text []byte) Mounts {
	all, err := mountinfo.GetMountsFromReader(bytes.NewReader(text), nil)
	if err != nil {
		return nil
	}
	return all
}

// Holding returns the mount that a path lies on; nil without any.
func (m Mounts) Holding(path string) *mountinfo.Info {
	var found *mountinfo.Info
	for _, i := range m {
		if i.Mountpoint == path || i.Mountpoint == "/" || strings.HasPrefix(path, i.Mountpoint+"/") {
			if found == nil || len(i.Mountpoint) >= len(found.Mountpoint) {
				found = i
			}
		}
	}
	return found
}

// ReadOnly reports whether a mount, or the file system on it, is read-only.
func ReadOnly(i *mountinfo.Info) bool {
	readOnly := func(options string) bool { return slices.Contains(strings.Split(options, ","), "ro") }
	return readOnly(i.Options) || readOnly(i.VFSOptions)
}
