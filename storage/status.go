package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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
	Arrays    []Array        `json:"arrays,omitempty"`
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
	s := Status{State: "none", Kept: j.Kept, Backup: j.Backup}
	if j.UUID == "" {
		return s, strayLines()
	}
	m, err := readMounts()
	if err != nil {
		return s, err
	}
	s.State, s.Disk, s.Mount = "applied", "UUID="+j.UUID, j.Mount
	problem := func(hint, format string, args ...any) {
		s.Findings = append(s.Findings, Finding{"problem", fmt.Sprintf(format, args...), hint})
	}
	warning := func(hint, format string, args ...any) {
		s.Findings = append(s.Findings, Finding{"warning", fmt.Sprintf(format, args...), hint})
	}
	if j.Doing != "" {
		s.State = "unfinished " + j.Doing
		problem("finish it with: kubeadm-arm storage "+j.Doing+", or take it back with: kubeadm-arm storage undo", "an %s was interrupted", j.Doing)
	}
	device, err := b.find(ctx, j.UUID)
	if err != nil {
		problem("look at the cables, and at: lsblk; cat /proc/mdstat; then: mdadm --assemble --scan", "%s is not there: disk or RAID are not connected or not assembled", s.Disk)
	} else {
		s.Device = device
		s.Arrays = readArrays("/sys", filepath.Base(device))
		for _, a := range s.Arrays {
			if a.Missing > 0 {
				warning("replace the disk: mdadm --detail /dev/"+a.Name, "the array is degraded (%s): it works, and the next disk that fails may take all data with it", a)
			}
		}
	}
	if here := m.at(j.Mount); here != nil {
		n, _ := blockNumber(device)
		s.Mounted = device != "" && mountDevice(here) == n
		if device != "" && !s.Mounted {
			problem("see: findmnt "+j.Mount, "another disk is mounted at %s: %s", j.Mount, here.Source)
		}
		if strings.HasPrefix(here.Options, "ro") || strings.HasPrefix(here.VFSOptions, "ro") {
			problem("see: dmesg", "%s is mounted read-only, as after an error of the disk", j.Mount)
		}
		var fs unix.Statfs_t
		if unix.Statfs(j.Mount, &fs) == nil {
			s.Bytes, s.FreeBytes = int64(fs.Blocks)*int64(fs.Bsize), int64(fs.Bavail)*int64(fs.Bsize) //nolint:unconvert // narrower on some architectures
			if s.FreeBytes < s.Bytes/20 {
				warning("make room on it; a full disk stops etcd", "only %s of %s are free at %s", size(s.FreeBytes), size(s.Bytes), j.Mount)
			}
		}
	} else if device != "" && j.Doing == "" {
		problem("mount it: mount "+j.Mount+" (the reason is in: journalctl -b -u '"+unitName(j.Mount)+"')", "%s (%s) is not mounted at %s", device, s.Disk, j.Mount)
	}
	for _, f := range j.Folders {
		fs := FolderStatus{Folder: f.Path, OnDisk: m.bound(j.Mount, f.Path)}
		if m.at(f.Path) == nil {
			fs.Guarded = isGuard(f.Path)
		}
		s.Folders = append(s.Folders, fs)
		switch {
		case fs.OnDisk || j.Doing != "":
		case fs.Guarded:
			problem("once the disk is mounted: mount "+f.Path, "%s is not on its disk; nothing can be begun in the empty folder below, so that no second database arises there", f.Path)
		case m.at(f.Path) != nil:
			problem("see: findmnt "+f.Path, "something else is mounted at %s", f.Path)
		default:
			problem("stop what works in it, and see what is in it", "%s is not on its disk, and the folder below is not guarded any more", f.Path)
		}
	}
	s.checkText(j, problem, warning, b.Program)
	return s, nil
}

// checkText looks whether fstab and drop-ins still say what was set up.
func (s *Status) checkText(j *journal, problem, warning func(hint, format string, args ...any), program string) {
	if j.Doing != "" {
		return
	}
	text, err := readFstab()
	if err == nil {
		var block []string
		if _, block, err = splitFstab(text); err == nil && strings.Join(block, "\n") != strings.Join(j.block(), "\n") {
			err = fmt.Errorf("they were changed by hand")
		}
	}
	if err != nil {
		warning("put them back with: kubeadm-arm storage apply", "the lines in %s are not those that were set up: %v", fstabPath, err)
	}
	if !systemd() {
		return
	}
	for path := range unitFiles(program, j.Mount, j.paths()) {
		if _, err := os.Stat(path); err != nil {
			warning("write it again with: kubeadm-arm storage apply", "%s is missing: the service could start without the mounts", path)
		}
	}
}

// Findings are what a doctor should tell of storage; none when nothing is set up.
func Findings(ctx context.Context, b Board) ([]Finding, error) {
	s, err := b.ReadStatus(ctx)
	return s.Findings, err
}

// Guard tells whether the folders are where their data is: all that are set up,
// or those named. Services ask it before they start.
func (b Board) Guard(ctx context.Context, only []string) error {
	j, err := readJournal()
	if err != nil {
		return err
	}
	if j.UUID == "" {
		return nil
	}
	m, err := readMounts()
	if err != nil {
		return err
	}
	for _, f := range j.Folders {
		if len(only) > 0 && !contains(only, f.Path) || m.bound(j.Mount, f.Path) {
			continue
		}
		if j.Doing != "" {
			return &RefusedError{Interrupted, fmt.Errorf("nothing is started: an %s of kubeadm-arm storage was interrupted, and %s is not mounted", j.Doing, f.Path), "finish it with: kubeadm-arm storage " + j.Doing + ", or take it back with: kubeadm-arm storage undo"}
		}
		why := "it is there, but " + j.Mount + " is not mounted"
		if m.at(j.Mount) != nil {
			why = "the bind mount is missing: mount " + f.Path
		}
		if _, err := b.find(ctx, j.UUID); err != nil {
			why = "the disk or RAID is not connected or not assembled"
		}
		return &RefusedError{NotMounted, fmt.Errorf("nothing is started: %s is not on its disk (UUID=%s): %s", f.Path, j.UUID, why), "see: kubeadm-arm storage status"}
	}
	return b.rightDisk(ctx, j, m)
}

// rightDisk tells whether what is mounted is the file system of the set-up.
func (b Board) rightDisk(ctx context.Context, j *journal, m mounts) error {
	device, err := b.find(ctx, j.UUID)
	if err != nil {
		return err
	}
	if n, ok := blockNumber(device); ok && mountDevice(m.at(j.Mount)) != n {
		return &RefusedError{NotMounted, fmt.Errorf("another disk than UUID=%s is mounted at %s", j.UUID, j.Mount), "see: kubeadm-arm storage status"}
	}
	return nil
}

func contains(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}
