package storage

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"
	"github.com/kubeadm-arm/kubeadm-arm/storage/sysfs"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// chooseDisk finds the disk that the request names.
func (p *Plan) chooseDisk(w Request, j *journal, disks []Disk, m mounts) error {
	if w.Device == "" && j.UUID != "" {
		w.Device = "UUID=" + j.UUID
	}
	match, asMount, err := matchDevice(w.Device, m)
	if err != nil {
		return err
	}
	var found []Disk
	for _, d := range disks {
		if match(d) && !d.member() {
			found = append(found, d)
		}
	}
	part := slices.IndexFunc(disks, func(d Disk) bool { return match(d) && d.partOf != "" })
	switch {
	case len(found) == 0 && part >= 0:
		return unsuitable(listHelp, "%s %s", disks[part].Path, disks[part].Unsuitable)
	case len(found) == 0 && asMount != "":
		return unsuitable(listHelp, "%s is not a disk of this board that is mounted", w.Device)
	case len(found) == 0 && j.UUID != "" && w.Device == "UUID="+j.UUID:
		return &RefusedError{NotMounted, fmt.Errorf("%s, on which the data lies, is not there", w.Device), missingHelp}
	case len(found) == 0:
		return unsuitable(listHelp, "%s: no disk has it", w.Device)
	}
	if p.Disk, err = onlyDisk(w.Device, found, disks, j); err != nil {
		return err
	}
	if j.UUID != "" && j.UUID != p.Disk.UUID {
		return otherDisk(j, disks, p.Disk)
	}
	if p.Disk.Unsuitable != "" {
		return unsuitable(listHelp, "%s %s", p.Disk.Path, p.Disk.Unsuitable)
	}
	switch {
	case w.Mount != "":
		p.Mount = path.Clean(w.Mount)
	case asMount != "":
		p.Mount = asMount
	case j.Mount != "":
		p.Mount = j.Mount
	default:
		p.Mount = DefaultMount
	}
	if j.Mount != "" && j.Mount != p.Mount {
		return unsuitable("take that back first: kubeadm-arm storage undo", "the disk's place is %s already, not %s",
			j.Mount, p.Mount)
	}
	return nil
}

const listHelp = "list the disks with: kubeadm-arm storage plan"

// matchDevice says which disks a device's name means; asMount is where it is
// mounted if it was named by that.
func matchDevice(name string, m mounts) (match func(Disk) bool, asMount string, err error) {
	kind, value, tagged := strings.Cut(name, "=")
	switch {
	case tagged && kind == "UUID" && value != "":
		return func(d Disk) bool { return strings.EqualFold(d.UUID, value) }, "", nil
	case tagged && kind == "LABEL" && value != "":
		return func(d Disk) bool { return d.Label == value }, "", nil
	case !strings.HasPrefix(name, "/"):
		return nil, "", unsuitable(listHelp, "%q is none of UUID=…, LABEL=…, a device such as /dev/md0, or a mount point",
			name)
	}
	if n, ok := blockNumber(name); ok {
		return func(d Disk) bool { return d.number == n }, "", nil
	}
	asMount = path.Clean(name)
	i := m.at(asMount)
	if i == nil {
		if !durable.Exists(name) {
			return nil, "", unsuitable(listHelp, "%s: there is no such device or folder", name)
		}
		return nil, "", unsuitable(listHelp, "%s is neither a block device nor a mount point", name)
	}
	n := mountDevice(i)
	return func(d Disk) bool { return d.number == n }, asMount, nil
}

// onlyDisk is the one that is meant. fstab names a disk by its UUID, so that no
// other may have it; only one that is mounted in its place already is known.
func onlyDisk(name string, found, disks []Disk, j *journal) (Disk, error) {
	d := found[0]
	if len(found) > 1 {
		mounted := mountedIn(found, j.Mount)
		if mounted == nil {
			return d, ambiguous(name, found)
		}
		d = *mounted
	}
	twins := withUUID(disks, d.UUID)
	if len(twins) > 1 && (j.Mount == "" || !slices.Contains(d.MountedAt, j.Mount)) {
		return d, ambiguous("UUID="+d.UUID, twins)
	}
	return d, refuseClone(j, d.Path, twins)
}

// withUUID are the disks with a file system of that UUID.
func withUUID(disks []Disk, uuid string) []Disk {
	var all []Disk
	for _, d := range disks {
		if uuid != "" && strings.EqualFold(d.UUID, uuid) && !d.member() {
			all = append(all, d)
		}
	}
	return all
}

// refuseClone refuses a device in the disk's place that is known to be another one,
// while there are two with its UUID: systemd has mounted one of them. Alone it may be
// the disk's replacement.
func refuseClone(j *journal, device string, twins []Disk) error {
	if len(twins) < 2 || !j.anotherDevice(deviceIDs(device)) {
		return nil
	}
	err := ambiguous("UUID="+j.UUID, twins)
	for _, t := range twins {
		if ids := deviceIDs(t.Path); len(ids) > 0 && !j.anotherDevice(ids) {
			return unsuitable(err.Help+"; then restart the board",
				"%s is a copy of the disk that was set up, which is %s: both have UUID=%s",
				device, t.Path, j.UUID)
		}
	}
	return err
}

// otherDisk refuses a second disk, and says what to do when the first is gone.
func otherDisk(j *journal, disks []Disk, d Disk) error {
	help := "take that back first: kubeadm-arm storage undo"
	if !slices.ContainsFunc(disks, func(d Disk) bool { return d.UUID == j.UUID }) {
		help = "if that disk is gone for good, give it up first: kubeadm-arm storage undo --without-disk; then repeat"
	}
	return unsuitable(help, "the data lies on UUID=%s already, not on %s", j.UUID, d.Name())
}

// checkMount looks at the place where the disk is or will be mounted.
func (p *Plan) checkMount(j *journal, lines []fstab.Line, m mounts) error {
	if err := checkPath("the mount point", p.Mount); err != nil {
		return err
	}
	here := m.at(p.Mount)
	if here != nil && mountDevice(here) != p.Disk.number {
		return unsuitable("choose another place with --mount", "%s is in use: %s is mounted there", p.Mount, here.Source)
	}
	if here != nil && linux.ReadOnly(here) {
		return unsuitable("mount -o remount,rw "+shell.Quote(p.Mount), "%s is mounted read-only", p.Mount)
	}
	for _, at := range p.Disk.MountedAt {
		ours := j.UUID == p.Disk.UUID && j.folder(at) != nil
		if !ours && !slices.Contains(p.Disk.MountedAt, p.Mount) {
			return unsuitable("use it where it is: kubeadm-arm storage plan "+shell.Quote(at)+" (or unmount it first)",
				"%s is mounted at %s already", p.Disk.Path, at)
		}
	}
	l, ok := fstab.LineFor(lines, p.Mount)
	switch {
	case ok && here == nil && mountsDisk(l, p.Disk) && m.automount(p.Mount):
		return unsuitable("have it mounted, then repeat: ls "+shell.Quote(p.Mount),
			"line %d of %s mounts %s at %s at its first use, and nobody has used it "+
				"yet", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil && mountsDisk(l, p.Disk):
		return unsuitable("mount it, then repeat: mount "+shell.Quote(p.Mount),
			"line %d of %s mounts %s at %s, and it is not mounted", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil:
		return unsuitable("mount it: mount "+shell.Quote(p.Mount)+" (and name the mount point as the device), or remove "+
			"the line, or choose another place with --mount", "line %d of %s mounts something at %s already: "+
			"%s", l.Number, fstabPath, p.Mount, strings.TrimSpace(l.Text))
	case !ok && j.UUID == "":
		if other, listed := lineOf(lines, p.Disk); listed {
			return unsuitable(fmt.Sprintf("use that place (mount %s, if it is not mounted there), or remove the line, and "+
				"repeat", shell.Quote(path.Clean(other.File))), "line %d of %s mounts %s at %s, not at "+
				"%s", other.Number, fstabPath, p.Disk.Name(), path.Clean(other.File), p.Mount)
		}
	case ok && j.UUID != "" && !j.OwnersLine:
		return unsuitable("remove one of the two", "line %d of %s is a second one for %s: %s", l.Number, fstabPath, p.Mount,
			strings.TrimSpace(l.Text))
	}
	if here == nil && durable.Exists(p.Mount) && !tree.IsEmpty(p.Mount) {
		return unsuitable("choose another place with --mount", "%s is not empty: what is in it would be hidden", p.Mount)
	}
	if here == nil && len(p.Disk.MountedAt) == 0 {
		// A swap, a member of an array or LVM holds its device (open(2), O_EXCL).
		fd, err := unix.Open(p.Disk.Path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EBUSY) {
			return unsuitable("see who holds it: lsblk "+shell.Quote(p.Disk.Path), "%s is in use", p.Disk.Path)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	return nil
}

// mountsDisk reports whether an entry mounts a disk, by whatever name fstab(5) has for it.
func mountsDisk(l fstab.Line, d Disk) bool {
	if !strings.HasPrefix(l.File, "/") || l.HasOption("bind") || l.HasOption("rbind") {
		return false
	}
	tag, value, tagged := strings.Cut(l.Spec, "=")
	value = strings.Trim(value, `"'`)
	switch {
	case strings.HasPrefix(l.Spec, "/dev/disk/by-"):
		// udev's names, whether or not it runs.
		kind, name, _ := strings.Cut(strings.TrimPrefix(l.Spec, "/dev/disk/by-"), "/")
		return mountsDisk(fstab.Line{Spec: strings.ToUpper(kind) + "=" + unhex(name), File: l.File}, d)
	case strings.HasPrefix(l.Spec, "/"):
		n, ok := blockNumber(l.Spec)
		return l.Spec == d.Path || ok && n == d.number
	case !tagged || value == "":
		return false
	case tag == "UUID":
		return strings.EqualFold(value, d.UUID)
	case tag == "LABEL":
		return value == d.Label
	case tag == "PARTUUID":
		return strings.EqualFold(value, d.partUUID)
	}
	return false
}

// lineOf finds the entry that mounts a disk; of several one whose place it is mounted
// at.
func lineOf(lines []fstab.Line, d Disk) (found fstab.Line, ok bool) {
	used := func(l fstab.Line) bool { return slices.Contains(d.MountedAt, path.Clean(l.File)) }
	for _, l := range lines {
		if mountsDisk(l, d) && (!ok || used(l) && !used(found)) {
			found, ok = l, true
		}
	}
	return found, ok
}

// ownersMount lets a disk stay where the owner's fstab mounts it: the request is the same
// with the disk named by its UUID, and with that place. A place stands for the disk
// that is mounted there, a folder of which is mounted there, or that fstab mounts
// there.
func (w Request) ownersMount(lines []fstab.Line, disks []Disk, m mounts) Request {
	named, found := w.disk(lines, disks, m)
	if !found || named.UUID == "" {
		return w
	}
	if strings.HasPrefix(w.Device, "/") {
		if _, device := blockNumber(w.Device); !device && w.Mount == "" {
			w.Mount = path.Clean(w.Device)
			if i := m.at(w.Mount); i != nil {
				w.Mount = m.whole(i).Mountpoint
			}
		}
	}
	if l, ok := lineOf(lines, named); ok && w.Mount == "" {
		w.Mount = path.Clean(l.File)
	}
	// Two disks with one name are for the choice to refuse.
	twin := func(d Disk) bool { return d.Path != named.Path && strings.EqualFold(d.UUID, named.UUID) }
	other := strings.HasPrefix(w.Device, "/") || strings.HasPrefix(w.Device, "PARTUUID=")
	if other && !slices.ContainsFunc(disks, twin) {
		w.Device = "UUID=" + named.UUID
	}
	return w
}

// disk is the disk that a request names.
func (w Request) disk(lines []fstab.Line, disks []Disk, m mounts) (Disk, bool) {
	tag, value, _ := strings.Cut(w.Device, "=")
	place := path.Clean(w.Device)
	number, device := blockNumber(w.Device)
	if i := m.at(place); !device && i != nil {
		number, device = mountDevice(i), true
	}
	l, listed := fstab.LineFor(lines, place)
	for _, d := range disks {
		switch {
		case d.member():
		case strings.HasPrefix(w.Device, "/") && device && d.number == number,
			strings.HasPrefix(w.Device, "/") && !device && listed && mountsDisk(l, d),
			tag == "UUID" && value != "" && strings.EqualFold(d.UUID, value),
			tag == "PARTUUID" && value != "" && strings.EqualFold(d.partUUID, value),
			tag == "LABEL" && value != "" && d.Label == value:
			return d, true
		}
	}
	return Disk{}, false
}

// anotherDevice reports whether a device is known to be another one than that of the
// set-up. A member of an array may have been replaced since: one that stays is enough.
func (j *journal) anotherDevice(ids []string) bool {
	return len(j.Hardware) > 0 && len(ids) > 0 &&
		!slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(j.Hardware, id) })
}

// hardware are the IDs of all devices that it lies on.
func (d Disk) hardware() []string {
	ids := deviceIDs(d.Path)
	for _, other := range d.others {
		ids = append(ids, deviceIDs(other)...)
	}
	return ids
}

// deviceIDs are the hardware IDs of a block device.
func deviceIDs(device string) []string {
	real, err := filepath.EvalSymlinks(device)
	if err != nil {
		return nil
	}
	return sysfs.HardwareIDs("/sys", strings.ReplaceAll(strings.TrimPrefix(real, "/dev/"), "/", "!"))
}
