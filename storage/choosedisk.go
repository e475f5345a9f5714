package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// chooseDisk finds the disk that the wish names.
func (p *Plan) chooseDisk(w Wish, j *journal, disks []Disk, m mounts) error {
	if w.Device == "" && j.UUID != "" {
		w.Device = "UUID=" + j.UUID
	}
	match, asMount, err := matchDevice(w.Device, m)
	if err != nil {
		return err
	}
	var found []Disk
	for _, d := range disks {
		if match(d) && d.FSType != "linux_raid_member" {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 0 && asMount != "":
		return unfit(listHelp, "%s is not a disk of this board that is mounted", w.Device)
	case len(found) == 0 && j.UUID != "" && w.Device == "UUID="+j.UUID:
		return &RefusedError{NotMounted, fmt.Errorf("%s, on which the data lies, is not there", w.Device), missingHelp}
	case len(found) == 0:
		return unfit(listHelp, "%s: no disk has it", w.Device)
	}
	if p.Disk, err = onlyDisk(w.Device, found, disks, j); err != nil {
		return err
	}
	if j.UUID != "" && j.UUID != p.Disk.UUID {
		return otherDisk(j, disks, p.Disk)
	}
	if p.Disk.Unfit != "" {
		return unfit(listHelp, "%s %s", p.Disk.Path, p.Disk.Unfit)
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
		return unfit("take that back first: kubeadm-arm storage undo", "the disk's place is %s already, not %s", j.Mount, p.Mount)
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
		return nil, "", unfit(listHelp, "%q is none of UUID=…, LABEL=…, a device such as /dev/md0, or a mount point", name)
	}
	if n, ok := blockNumber(name); ok {
		return func(d Disk) bool { return d.number == n }, "", nil
	}
	asMount = path.Clean(name)
	i := m.at(asMount)
	if i == nil {
		if !durable.Exists(name) {
			return nil, "", unfit(listHelp, "%s: there is no such device or folder", name)
		}
		return nil, "", unfit(listHelp, "%s is neither a block device nor a mount point", name)
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
		if uuid != "" && strings.EqualFold(d.UUID, uuid) && d.FSType != "linux_raid_member" {
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
			return unfit(err.Help+"; then restart the board", "%s is a copy of the disk that was set up, which is %s: both have UUID=%s",
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
	return unfit(help, "the data lies on UUID=%s already, not on %s", j.UUID, d.Name())
}

// checkMount looks at the place where the disk is or will be mounted.
func (p *Plan) checkMount(j *journal, lines []fstabLine, m mounts) error {
	if err := checkPath("the mount point", p.Mount); err != nil {
		return err
	}
	here := m.at(p.Mount)
	if here != nil && mountDevice(here) != p.Disk.number {
		return unfit("choose another place with --mount", "%s is in use: %s is mounted there", p.Mount, here.Source)
	}
	if here != nil && strings.HasPrefix(here.Options, "ro") {
		return unfit("mount -o remount,rw "+shell.Quote(p.Mount), "%s is mounted read-only", p.Mount)
	}
	for _, at := range p.Disk.MountedAt {
		ours := j.UUID == p.Disk.UUID && j.folder(at) != nil
		if !ours && !slices.Contains(p.Disk.MountedAt, p.Mount) {
			return unfit("use it where it is: kubeadm-arm storage plan "+shell.Quote(at)+" (or unmount it first)", "%s is mounted at %s already", p.Disk.Path, at)
		}
	}
	l, ok := lineFor(lines, p.Mount)
	switch {
	case ok && here == nil && l.mounts(p.Disk) && m.automount(p.Mount):
		return unfit("have it mounted, then repeat: ls "+shell.Quote(p.Mount), "line %d of %s mounts %s at %s at its first use, and nobody has used it yet", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil && l.mounts(p.Disk):
		return unfit("mount it, then repeat: mount "+shell.Quote(p.Mount), "line %d of %s mounts %s at %s, and it is not mounted", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil:
		return unfit("mount it: mount "+shell.Quote(p.Mount)+" (and name the mount point as the device), or remove the line, or choose another place with --mount", "line %d of %s mounts something at %s already: %s", l.Number, fstabPath, p.Mount, strings.TrimSpace(l.Text))
	case !ok && j.UUID == "":
		if other, listed := lineOf(lines, p.Disk); listed {
			return unfit(fmt.Sprintf("use that place (mount %s, if it is not mounted there), or remove the line, and repeat", shell.Quote(path.Clean(other.File))), "line %d of %s mounts %s at %s, not at %s", other.Number, fstabPath, p.Disk.Name(), path.Clean(other.File), p.Mount)
		}
	case ok && j.UUID != "" && !j.OwnersLine:
		return unfit("remove one of the two", "line %d of %s is a second one for %s: %s", l.Number, fstabPath, p.Mount, strings.TrimSpace(l.Text))
	}
	if here == nil && durable.Exists(p.Mount) && !emptyFolder(p.Mount) {
		return unfit("choose another place with --mount", "%s is not empty: what is in it would be hidden", p.Mount)
	}
	if here == nil && len(p.Disk.MountedAt) == 0 {
		// A swap, a member of an array or LVM holds its device (open(2), O_EXCL).
		fd, err := unix.Open(p.Disk.Path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EBUSY) {
			return unfit("see who holds it: lsblk "+shell.Quote(p.Disk.Path), "%s is in use", p.Disk.Path)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	return nil
}
