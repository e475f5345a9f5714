package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

func hasOption(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }

// Volume is where a folder lies.
type Volume struct {
	Path     string `json:"path"`
	FSType   string `json:"fsType,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Disk is the whole disk's name, such as "mmcblk0"; empty when it is no
	// disk or cannot be found out.
	Disk string `json:"disk,omitempty"`
	// Card is "SD" or "MMC" (soldered eMMC) for an mmcblk disk.
	Card string `json:"card,omitempty"`
	// Free and Size are in bytes, zero when not known. FreeInodes is -1 when
	// the file system has no fixed number.
	Free       uint64 `json:"free,omitempty"`
	Size       uint64 `json:"size,omitempty"`
	FreeInodes int64  `json:"freeInodes,omitempty"`
}

// readVolume follows a folder's links, and its mount to its disk: /sys/dev/block/MAJOR:MINOR is
// a link that ends in the disk's name or in disk/partition
// (Documentation/ABI/stable/sysfs-block); device/type is the mmc core's.
func readVolume(f files, mounts linux.Mounts, path string) Volume {
	v := Volume{Path: path}
	m := mounts.Holding(f.Real(path))
	if m == nil {
		return v
	}
	v.FSType, v.ReadOnly = m.FSType, linux.ReadOnly(m)
	name := ""
	if link := f.Link(fmt.Sprintf("/sys/dev/block/%d:%d", m.Major, m.Minor)); link != "" {
		name = filepath.Base(link)
	}
	if name == "" && strings.HasPrefix(m.Source, "/dev/") && m.Source != "/dev/root" {
		name = filepath.Base(m.Source)
	}
	v.Disk = linux.WholeDisk(name)
	if strings.HasPrefix(v.Disk, "mmcblk") {
		v.Card = f.Line("/sys/block/" + v.Disk + "/device/type")
	}
	return v
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
