package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Disk is a block device as lsblk(8) sees it, a partition or an array as well.
type Disk struct {
	Path string `json:"path"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
	// Type is lsblk's: disk, part, raid5, lvm, loop, …
	Type   string `json:"type"`
	FSType string `json:"fsType,omitempty"`
	UUID   string `json:"uuid,omitempty"`
	Label  string `json:"label,omitempty"`
	Model  string `json:"model,omitempty"`
	// Transport is usb, sata, nvme, mmc or virtio, that of the disk below for a
	// partition, empty when the kernel does not report.
	Transport string `json:"transport,omitempty"`
	// Array says that it is an md array, Card that it is an SD card or eMMC.
	Array    bool `json:"array,omitempty"`
	Card     bool `json:"card,omitempty"`
	ReadOnly bool `json:"readOnly,omitempty"`
	// MountedAt is where it is mounted, empty when it is not.
	MountedAt []string `json:"mountedAt,omitempty"`
	// Unsuitable says why it cannot be chosen, empty when it can.
	Unsuitable string `json:"unfit,omitempty"`

	number devNumber
	// partUUID is that of its partition table's entry, in lower case or not.
	partUUID string
	// tops are the whole disks below it; leaf says that nothing is built upon it.
	tops []string
	leaf bool
	// deviceUUID is what btrfs gives each device of one file system. Of several, one
	// stands for the file system: others are the paths of the rest, which has its path
	// in partOf.
	deviceUUID string
	others     []string
	partOf     string
}

// member tells whether it is only a part of an array or a file system.
func (d Disk) member() bool { return d.FSType == "linux_raid_member" || d.partOf != "" }

// Name is how fstab should name it.
func (d Disk) Name() string {
	if d.UUID != "" {
		return "UUID=" + d.UUID
	}
	return d.Path
}

// lsblkDevice is one element of lsblk's JSON. Sizes are numbers since util-linux
// 2.33 and strings before, flags are booleans or "0" and "1".
type lsblkDevice struct {
	Name     string          `json:"name"`
	Kernel   string          `json:"kname"`
	Number   string          `json:"maj:min"`
	Size     json.RawMessage `json:"size"`
	Type     string          `json:"type"`
	FSType   string          `json:"fstype"`
	UUID     string          `json:"uuid"`
	Label    string          `json:"label"`
	PartUUID string          `json:"partuuid"`
	Tran     string          `json:"tran"`
	Model    string          `json:"model"`
	RO       json.RawMessage `json:"ro"`
	Children []lsblkDevice   `json:"children"`
}

// lsblkColumns are those that lsblk has had since it writes JSON (util-linux 2.27,
// of 2015). PATH came with 2.33: the boards with JetPack 4 have 2.31.
const lsblkColumns = "NAME,KNAME,MAJ:MIN,SIZE,TYPE,FSTYPE,UUID,LABEL,PARTUUID,TRAN,MODEL,RO"

// path is where the device is: the kernel's name below /dev, in which a slash is an
// exclamation mark, or for device mapper the name that it was given.
func (d lsblkDevice) path() string {
	switch {
	case d.Kernel == "":
		return "/dev/" + d.Name
	case strings.HasPrefix(d.Kernel, "dm-") && d.Name != d.Kernel:
		return "/dev/mapper/" + d.Name
	}
	return "/dev/" + strings.ReplaceAll(d.Kernel, "!", "/")
}

// parseLsblk reads the output of lsblk -J -b -o with these columns. A device that
// hangs below several others, as an array does, comes once.
func parseLsblk(text []byte) ([]Disk, error) {
	var doc struct {
		Devices []lsblkDevice `json:"blockdevices"`
	}
	if err := json.Unmarshal(hexToJSON(text), &doc); err != nil {
		return nil, fmt.Errorf("parse lsblk's output: %w", err)
	}
	var all []Disk
	var walk func(d lsblkDevice, top, tran string) error
	walk = func(d lsblkDevice, top, tran string) error {
		device := d.path()
		if top == "" {
			top = device
		}
		if d.Tran != "" {
			tran = d.Tran
		}
		card := strings.HasPrefix(d.Name, "mmcblk")
		if card {
			tran = "mmc"
		}
		if at := slices.IndexFunc(all, func(x Disk) bool { return x.Path == device }); at >= 0 {
			if !slices.Contains(all[at].tops, top) {
				all[at].tops = append(all[at].tops, top)
			}
		} else {
			size, err := strconv.ParseInt(strings.Trim(string(d.Size), `"`), 10, 64)
			if err != nil && string(d.Size) != "null" && len(d.Size) > 0 {
				return fmt.Errorf("parse lsblk's output: size of %s: %w", device, err)
			}
			var major, minor int
			if _, err := fmt.Sscanf(strings.TrimSpace(d.Number), "%d:%d", &major, &minor); err != nil {
				return fmt.Errorf("parse lsblk's output: number of %s: %q", device, d.Number)
			}
			ro := strings.Trim(string(d.RO), `"`)
			array := strings.HasPrefix(d.Type, "raid") || strings.HasPrefix(d.Name, "md")
			if array {
				tran = ""
			}
			all = append(all, Disk{
				Path: device, Bytes: size, Type: d.Type, FSType: d.FSType, UUID: d.UUID, partUUID: d.PartUUID,
				Label: unhex(d.Label), Model: strings.TrimSpace(unhex(d.Model)),
				Transport: tran, Array: array, Card: card, ReadOnly: ro == "true" || ro == "1",
				number: number(major, minor), tops: []string{top}, leaf: len(d.Children) == 0,
			})
		}
		for _, c := range d.Children {
			if err := walk(c, top, tran); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range doc.Devices {
		if err := walk(d, "", ""); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// hexToJSON escapes the backslash of \xHH, which lsblk wrote before 2.33 and which
// is no JSON.
func hexToJSON(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); i++ {
		out = append(out, text[i])
		if text[i] != '\\' || i+1 == len(text) {
			continue
		}
		if i++; text[i] == 'x' {
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return out
}

// parseBlkid reads blkid -o udev: ID_FS_NAME=value lines, of which those whose name
// ends in _ENC are whole, with \xHH for what is not a plain character.
func parseBlkid(text []byte) map[string]string {
	all, whole := map[string]string{}, map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "ID_FS_"), "=")
		if !ok || !strings.HasPrefix(line, "ID_FS_") {
			continue
		}
		if enc, isWhole := strings.CutSuffix(name, "_ENC"); isWhole {
			whole[enc] = unhex(value)
		} else {
			all[name] = value
		}
	}
	maps.Copy(all, whole)
	return all
}

// unhex turns \xHH into bytes, as udev and lsblk write them.
func unhex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Disks are the board's block devices with what is on them, and why one cannot
// be chosen.
//
// A disk that does not answer must not hold everything up: after deviceWait the
// error is [context.DeadlineExceeded].
func (b Board) Disks(ctx context.Context) ([]Disk, error) {
	ctx, cancel := context.WithTimeout(ctx, b.deviceWait())
	defer cancel()
	text, err := b.Run(ctx, "lsblk", "-J", "-b", "-o", lsblkColumns)
	if err != nil {
		return nil, fmt.Errorf("list the disks: %w", err)
	}
	all, err := parseLsblk(text)
	if err != nil {
		return nil, err
	}
	m, err := readMounts()
	if err != nil {
		return nil, err
	}
	var rootTops []string
	root := mountDevice(m.holding("/"))
	for i := range all {
		d := &all[i]
		if d.Bytes == 0 {
			continue
		}
		// lsblk asks udev, which is silent where no udevd runs and late where it
		// does; blkid -p reads the device itself.
		if d.FSType == "" || d.UUID == "" || d.FSType == btrfs {
			if text, err := b.Run(ctx, "blkid", "-p", "-o", "udev", d.Path); err == nil {
				known := parseBlkid(text)
				d.FSType, d.UUID, d.Label = known["TYPE"], known["UUID"], known["LABEL"]
				d.deviceUUID = known["UUID_SUB"]
			} else if ctx.Err() != nil {
				return nil, fmt.Errorf("ask what is on %s: %w", d.Path, ctx.Err())
			}
		}
		d.MountedAt = m.of(d.number)
		if d.number == root {
			rootTops = d.tops
		}
	}
	joinBtrfs(all)
	for i := range all {
		all[i].Unsuitable = all[i].unsuitable(rootTops)
	}
	return all, nil
}

const btrfs = "btrfs"

// joinBtrfs finds file systems that lie on several disks: all have its UUID, and each a
// device UUID of its own, which a clone has not. The one that is mounted, or else the
// first, stands for all.
func joinBtrfs(disks []Disk) {
	groups := map[string][]*Disk{}
	for i, d := range disks {
		if d.FSType == btrfs && d.UUID != "" {
			groups[d.UUID] = append(groups[d.UUID], &disks[i])
		}
	}
	for _, group := range groups {
		seen := map[string]bool{"": true}
		first := group[0]
		clone := false
		for _, d := range group {
			clone = clone || seen[d.deviceUUID]
			seen[d.deviceUUID] = true
			if len(first.MountedAt) == 0 && len(d.MountedAt) > 0 {
				first = d
			}
		}
		if clone {
			continue // or not to be told from one
		}
		for _, d := range group {
			if d != first {
				d.partOf = first.Path
				first.others = append(first.others, d.Path)
			}
		}
	}
}

// deviceWait is how long lsblk and blkid have together. Disks on USB that spin up
// take some ten seconds.
func (b Board) deviceWait() time.Duration {
	if b.DeviceWait > 0 {
		return b.DeviceWait
	}
	return 30 * time.Second
}

// fileSystems are those that keep owners, modes, links and extended attributes.
func fileSystems() []string { return []string{"ext4", "ext3", "ext2", "xfs", btrfs, "f2fs"} }

// unsuitable says why a disk cannot be chosen.
func (d Disk) unsuitable(rootTops []string) string {
	onRoot := slices.ContainsFunc(d.tops, func(t string) bool { return slices.Contains(rootTops, t) })
	switch {
	case d.Bytes == 0:
		return "has no medium"
	case onRoot:
		return "is on the disk that the board runs from, which is what its data should leave"
	case d.FSType == "linux_raid_member":
		return "is a member of an md array; choose the array"
	case d.partOf != "":
		return "is a part of the btrfs on " + d.partOf + "; choose that"
	case d.FSType == "swap":
		return "is swap space"
	case !d.leaf:
		return "is divided or part of something else; choose what lies on it"
	case d.FSType == "":
		return "has no file system"
	case !slices.Contains(fileSystems(), d.FSType):
		return "has " + d.FSType + " on it, which does not keep what etcd and containers need; fit are " +
			strings.Join(fileSystems(), ", ")
	case d.UUID == "":
		return "has no UUID, by which fstab would find it"
	case d.ReadOnly:
		return "is read-only"
	}
	return ""
}
