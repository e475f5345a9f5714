package hwdetect

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Point  string
	FSType string
	Source string
	// Device is major:minor of the file system.
	Device   string
	ReadOnly bool
}

// parseMountInfo reads /proc/PID/mountinfo (proc_pid_mountinfo(5)): ID, parent,
// major:minor, root, mount point, options, optional fields up to a lone hyphen,
// type, source, super options. Later lines lie over earlier ones.
func parseMountInfo(text []byte) []Mount {
	var all []Mount
	for _, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		hyphen := slices.Index(w, "-")
		if hyphen < 6 || len(w) < hyphen+3 {
			continue
		}
		m := Mount{Point: unescape(w[4]), FSType: w[hyphen+1], Source: unescape(w[hyphen+2]), Device: w[2], ReadOnly: hasOption(w[5], "ro")}
		if len(w) > hyphen+3 {
			m.ReadOnly = m.ReadOnly || hasOption(w[hyphen+3], "ro")
		}
		all = append(all, m)
	}
	return all
}

func hasOption(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }

// unescape undoes the kernel's octal escapes of blank, tab, newline and
// backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountOf is the mount that a path lies on; ok is false without any.
func mountOf(all []Mount, path string) (found Mount, ok bool) {
	for _, m := range all {
		if m.Point == path || m.Point == "/" || strings.HasPrefix(path, m.Point+"/") {
			if !ok || len(m.Point) >= len(found.Point) {
				found, ok = m, true
			}
		}
	}
	return found, ok
}

// Volume is where a folder lies.
type Volume struct {
	Path     string `json:"path"`
	FSType   string `json:"fsType,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Disk is the whole disk's name, such as "mmcblk0"; empty when it is no
	// disk or cannot be told.
	Disk string `json:"disk,omitempty"`
	// Card is "SD" or "MMC" (soldered eMMC) for an mmcblk disk.
	Card string `json:"card,omitempty"`
	// Free and Size are in bytes, zero when not told. FreeInodes is -1 when
	// the file system has no fixed number.
	Free       uint64 `json:"free,omitempty"`
	Size       uint64 `json:"size,omitempty"`
	FreeInodes int64  `json:"freeInodes,omitempty"`
}

// readVolume follows a folder's links, and its mount to its disk: /sys/dev/block/MAJOR:MINOR is
// a link that ends in the disk's name or in disk/partition
// (Documentation/ABI/stable/sysfs-block); device/type is the mmc core's.
func readVolume(f files, mounts []Mount, path string) Volume {
	v := Volume{Path: path}
	m, ok := mountOf(mounts, f.real(path))
	if !ok {
		return v
	}
	v.FSType, v.ReadOnly = m.FSType, m.ReadOnly
	name := ""
	if link := f.link("/sys/dev/block/" + m.Device); link != "" {
		name = filepath.Base(link)
	}
	if name == "" && strings.HasPrefix(m.Source, "/dev/") && m.Source != "/dev/root" {
		name = filepath.Base(m.Source)
	}
	v.Disk = wholeDisk(name)
	if strings.HasPrefix(v.Disk, "mmcblk") {
		v.Card = f.line("/sys/block/" + v.Disk + "/device/type")
	}
	return v
}

// wholeDisk takes the partition off a device name: mmcblk0p2, nvme0n1p1, sda1.
// Names of other forms (dm-0, md0) stay.
func wholeDisk(name string) string {
	base := strings.TrimRight(name, "0123456789")
	switch {
	case strings.HasPrefix(name, "mmcblk") || strings.HasPrefix(name, "nvme"):
		if disk, part, ok := cutLast(name, "p"); ok && isNumber(part) && disk != "" && isNumber(disk[len(disk)-1:]) {
			return disk
		}
	case len(base) >= 3 && (strings.HasPrefix(name, "sd") || strings.HasPrefix(name, "vd") || strings.HasPrefix(name, "hd")):
		return base
	}
	return name
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
