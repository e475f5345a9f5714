package sysfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// HardwareIDs are what tells a block device from a copy of it, which has the same
// content and so the same UUID: for each disk below it the number that its maker gave
// it, with the partition. They are empty where the kernel knows none. sys is the /sys
// folder, name the kernel's name of the device.
func HardwareIDs(sys, name string) []string {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "class/block", name))
	if err != nil {
		return nil
	}
	var all []string
	slaves, _ := os.ReadDir(filepath.Join(dir, "slaves"))
	for _, s := range slaves { // of an array, a volume or an encrypted device
		all = append(all, HardwareIDs(sys, s.Name())...)
	}
	if len(slaves) == 0 {
		partition := ""
		if number := sysText(dir, "partition"); number != "" {
			dir, partition = filepath.Dir(dir), " partition "+number
		}
		if id := makersID(dir); id != "" {
			all = append(all, id+partition)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// makersID is the number of a whole disk in /sys: of SCSI and SATA, of NVMe, of SD
// cards and eMMC, of virtio, and for a loop device its file. A disk on USB may show
// the number of its bridge only.
func makersID(dir string) string {
	for _, file := range []string{"loop/backing_file", "device/wwid", "wwid", "device/cid", "device/serial", "serial"} {
		if id := sysText(dir, file); strings.Trim(id, "0") != "" {
			return id
		}
	}
	for at := dir; at != "/" && at != "."; at = filepath.Dir(at) {
		if durable.Exists(filepath.Join(at, "idVendor")) {
			return sysText(at, "serial")
		}
	}
	return ""
}

func sysText(dir, file string) string {
	text, err := safefile.Read(filepath.Join(dir, file), 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
