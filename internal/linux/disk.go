package linux

import (
	"regexp"
	"strconv"
	"strings"
)

// The kernel's names of block devices: a partition of a disk whose name ends in a
// digit has a "p" before its number (block/partitions/core.c).
var (
	disk      = regexp.MustCompile(`^(mmcblk\d+|nvme\d+n\d+|[shv]d[a-z]+|md\d+)$`)
	partition = regexp.MustCompile(`^((?:mmcblk|nvme).*\d)p\d+$|^([shv]d[a-z]+)\d+$`)
)

// WholeDisk takes the partition off a device name: mmcblk0p2, nvme0n1p1, sda1.
// Names of other forms (dm-0, md0) stay.
func WholeDisk(name string) string {
	m := partition.FindStringSubmatch(name)
	if m == nil {
		return name
	}
	return m[1] + m[2]
}

// A DiskTotal is what disks have written since the board started.
type DiskTotal struct {
	Writes uint64
	// Seconds are the time that the writes took, added up.
	Seconds float64
}

// ParseDiskWrites adds up the completed writes of all disks, partitions left out, in
// /proc/diskstats (Documentation/admin-guide/iostats.rst: fields 5 and 8 after the
// name). Lines of other forms are skipped.
func ParseDiskWrites(text []byte) DiskTotal {
	var total DiskTotal
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 11 || !disk.MatchString(f[2]) {
			continue
		}
		writes, err1 := strconv.ParseUint(f[7], 10, 64)
		milliseconds, err2 := strconv.ParseUint(f[10], 10, 64)
		if err1 == nil && err2 == nil {
			total.Writes += writes
			total.Seconds += float64(milliseconds) / 1000
		}
	}
	return total
}
