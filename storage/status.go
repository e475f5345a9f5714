package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"
	"github.com/kubeadm-arm/kubeadm-arm/storage/sysfs"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// A Status is what is set up and how it stands.
type Status struct {
	// State is none, applied, unfinished apply or unfinished undo.
	State string `json:"state"`
	// Disk is UUID=…, Device its path, empty when it is not there.
	Disk   string `json:"disk,omitempty"`
	Device string `json:"device,omitempty"`
	// Mount is where it belongs; Mounted says that it is there.
	Mount   string `json:"mount,omitempty"`
	Mounted bool   `json:"mounted,omitempty"`
	// FreeBytes and Bytes are those of its file system while it is mounted.
	FreeBytes int64          `json:"freeBytes,omitempty"`
	Bytes     int64          `json:"bytes,omitempty"`
	Arrays    []sysfs.Array  `json:"arrays,omitempty"`
	Folders   []FolderStatus `json:"folders,omitempty"`
	// Kept is old data, until clean.
	Kept []string `json:"kept,omitempty"`
	// Backup is the copy of fstab.
	Backup   string    `json:"fstabBackup,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// FolderStatus is one folder of a set-up.
type FolderStatus struct {
	Folder string `json:"folder"`
	// OnDisk says that it is mounted from the disk, Guarded that nothing can be
	// begun in what lies below (known only while it is not mounted).
	OnDisk  bool `json:"onDisk"`
	Guarded bool `json:"guarded,omitempty"`
}

// A Finding is something the owner should know.
type Finding struct {
	// Level is warning or problem; with a problem the data is not where it belongs.
	Level string `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
}

// ReadStatus looks at what is set up. It changes nothing.
func (b Board) ReadStatus(ctx context.Context) (Status, error) {
	j, err := readJournal()
	if err != nil {
		return Status{}, err
	}
	s := Status{State: "none", Backup: j.Backup}
	for _, k := range j.Kept {
		s.Kept = append(s.Kept, k.Path)
	}
	if j.UUID == "" {
		return s, strayLines()
	}
	m, err := readMounts()
	if err != nil {
		return s, err
	}
	s.State, s.Disk, s.Mount = "applied", "UUID="+j.UUID, j.Mount
	if j.Doing != "" {
		s.State = "unfinished " + j.Doing
		s.problem("finish it with: kubeadm-arm storage "+j.Doing+", or take it back with: kubeadm-arm storage undo",
			"an %s was interrupted", j.Doing)
	}
	if now := b.identity(); j.Board != "" && now != "" && j.Board != now {
		s.problem(otherBoardHelp, "the card was set up in another board (%s, this one is %s)", j.Board, now)
	}
	s.checkDisk(ctx, b, j)
	s.checkMounted(j, m)
	for _, f := range j.Folders {
		s.checkFolder(j, f, m)
	}
	s.checkText(j, b.Program)
	return s, nil
}

func (s *Status) problem(hint, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{"problem", fmt.Sprintf(format, args...), hint})
}

func (s *Status) warning(hint, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{"warning", fmt.Sprintf(format, args...), hint})
}

// checkDisk looks for the disk and at the arrays that it lies on.
func (s *Status) checkDisk(ctx context.Context, b Board, j *journal) {
	disks, err := b.Disks(ctx)
	device := ""
	if err == nil {
		device, err = findDisk(disks, j)
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && refused.Reason == NotMounted:
		s.problem("look at the cables, and at: lsblk; cat /proc/mdstat; then: mdadm --assemble --scan; "+
			"if it is gone for good: kubeadm-arm storage undo --without-disk",
			"%s is not there: disk or RAID are not connected or not assembled", s.Disk)
		return
	case errors.As(err, &refused):
		s.problem(refused.Help, "%v", err)
		return
	case err != nil:
		s.problem("see: dmesg", "%v", err)
		return
	}
	s.Device = device
	if twins := withUUID(disks, j.UUID); len(twins) > 1 {
		s.warning(ambiguous("", twins).Help, "%d disks have %s, and after a restart another one of them may be mounted",
			len(twins), s.Disk)
	} else if j.anotherDevice(deviceIDs(device)) {
		s.warning("if it is: kubeadm-arm storage apply; otherwise connect the right one",
			"%s has %s and is another device than the one that was set up, as if it was replaced", device, s.Disk)
	}
	s.Arrays = sysfs.Arrays("/sys", filepath.Base(device))
	for _, a := range s.Arrays {
		if a.Missing > 0 {
			s.warning("replace the disk: mdadm --detail /dev/"+a.Name,
				"the array is degraded (%s): it works, and the next disk that fails may take all data with it", a)
		}
	}
}

// checkMounted looks at the disk in its place.
func (s *Status) checkMounted(j *journal, m mounts) {
	here := m.at(j.Mount)
	if here == nil {
		if s.Device != "" && j.Doing == "" {
			unit := systemd.PathUnit(j.Mount, "mount")
			s.problem("mount it: mount "+j.Mount+" (the reason is in: journalctl -b -u '"+unit+"')",
				"%s (%s) is not mounted at %s", s.Device, s.Disk, j.Mount)
		}
		return
	}
	n, _ := blockNumber(s.Device)
	s.Mounted = s.Device != "" && mountDevice(here) == n
	if s.Device != "" && !s.Mounted {
		s.problem("see: findmnt "+j.Mount, "another disk is mounted at %s: %s", j.Mount, here.Source)
	}
	if linux.ReadOnly(here) {
		s.problem("see: dmesg", "%s is mounted read-only, as after an error of the disk", j.Mount)
	}
	var fs unix.Statfs_t
	if unix.Statfs(j.Mount, &fs) != nil {
		return
	}
	block := int64(fs.Bsize) //nolint:unconvert // narrower on some
	s.Bytes, s.FreeBytes = int64(fs.Blocks)*block, int64(fs.Bavail)*block
	if s.FreeBytes < s.Bytes/20 {
		s.warning("make room on it; a full disk stops etcd", "only %s of %s are free at %s", size(s.FreeBytes),
			size(s.Bytes), j.Mount)
	}
}

// checkFolder looks whether a folder is on its disk.
func (s *Status) checkFolder(j *journal, f *folder, m mounts) {
	fs := FolderStatus{Folder: f.Path, OnDisk: m.bound(j.Mount, f.Path)}
	if m.at(f.Path) == nil {
		fs.Guarded = j.isGuard(f, f.Path)
	}
	s.Folders = append(s.Folders, fs)
	var refused *RefusedError
	switch err := j.madeAnew(f); {
	case fs.OnDisk && errors.As(err, &refused):
		s.problem(refused.Help, "%v", err)
	case fs.OnDisk || j.Doing != "":
	case fs.Guarded:
		s.problem("once the disk is mounted: mount "+f.Path,
			"%s is not on its disk; nothing can be begun in the empty folder below, "+
				"so that no second database arises there", f.Path)
	case m.at(f.Path) != nil:
		s.problem("see: findmnt "+f.Path, "something else is mounted at %s", f.Path)
	default:
		s.problem("stop what works in it, and see what is in it",
			"%s is not on its disk, and the folder below is not guarded any more", f.Path)
	}
}

// checkText looks whether fstab and drop-ins still say what was set up.
func (s *Status) checkText(j *journal, program string) {
	if j.Doing != "" {
		return
	}
	text, err := readFstab()
	if err == nil {
		var block []string
		if _, block, err = fstab.Split(text); err == nil && strings.Join(block, "\n") != strings.Join(j.block(), "\n") {
			err = fmt.Errorf("they were changed by hand")
		}
	}
	if err != nil {
		s.warning("put them back with: kubeadm-arm storage apply", "the lines in %s are not those that were set up: %v",
			fstabPath, err)
	}
	if !systemd.Booted("/") || program == "" {
		return
	}
	units, err := unitFiles(program, j.Mount, j.paths())
	if err != nil {
		s.warning("see: kubeadm-arm storage plan", "%v", err)
	}
	for _, path := range sorted(units) {
		if !durable.Exists(path) {
			s.warning("write it again with: kubeadm-arm storage apply",
				"%s is missing: the service could start without the mounts", path)
		}
	}
}

// Findings are what a doctor should tell of storage; none when nothing is set up.
func Findings(ctx context.Context, b Board) ([]Finding, error) {
	s, err := b.ReadStatus(ctx)
	return s.Findings, err
}
