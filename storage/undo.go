package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// Undo takes everything back: the data of now returns to its old places, fstab
// to its owner's bytes, the drop-ins go. It finishes an undo that was killed and
// takes back an apply that was.
//
// Like apply it copies and proves first, changes fstab in one step, and then
// swaps each folder in one step; until then a guard folder lies there.
func (b Board) Undo(ctx context.Context, stop bool) error {
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	j, err := readJournal()
	if err != nil {
		return err
	}
	if j.UUID == "" {
		if err := strayLines(); err != nil {
			return err
		}
		return &RefusedError{NotSetUp, errors.New("nothing is set up by kubeadm-arm storage"), "see: kubeadm-arm storage plan"}
	}
	return b.undo(ctx, j, stop || j.Doing != "")
}

func (b Board) undo(ctx context.Context, j *journal, stop bool) error {
	text, err := readFstab()
	if err != nil {
		return err
	}
	owner, block, err := splitFstab(text)
	if err != nil {
		return &RefusedError{Unfit, fmt.Errorf("%s: %w", fstabPath, err), "put them right by hand"}
	}
	if block != nil {
		for _, l := range parseFstab([]byte(joinLines(block))) {
			if l.File != j.Mount && j.folder(l.File) == nil {
				return unfit("move it out of the marked lines", "%s: the lines of kubeadm-arm storage hold one that is not ours: %s", fstabPath, l.Text)
			}
		}
	}
	if running := b.running(ctx, j.paths()); len(running) > 0 && !stop {
		return &RefusedError{Busy, fmt.Errorf("%s works in what is to be moved", running[0]), "add --stop to have it stopped, and started again afterwards"}
	}
	if err := b.needDisk(ctx, j); err != nil {
		return err
	}
	if !stop {
		if err := b.refuseBusy(j.paths()); err != nil {
			return err
		}
	}
	was := j.Doing
	if j.Doing != "undo" {
		j.Doing = "undo"
		if err := b.save(j); err != nil {
			return err
		}
	}
	err = b.quietMounted(ctx, j, j.paths())
	for _, f := range j.Folders {
		if err == nil {
			err = b.copyBack(ctx, j, f)
		}
	}
	if err != nil {
		if was == "" {
			err = errors.Join(err, b.stay(context.WithoutCancel(ctx), j))
		}
		return err
	}
	if err := b.writeFstab(ctx, owner); err != nil {
		return err
	}
	for _, f := range j.Folders {
		if err := b.swapBack(j, f); err != nil {
			return err
		}
	}
	if err := b.removeUnits(ctx); err != nil {
		return err
	}
	if err := b.leaveDisk(ctx, j); err != nil {
		return err
	}
	if err := b.startAgain(ctx, j); err != nil {
		return err
	}
	if j.Backup != "" {
		// fstab is its owner's again, byte for byte.
		if err := b.FS.Remove(j.Backup); err != nil {
			return err
		}
	}
	if len(j.Kept) == 0 {
		return b.drop()
	}
	return b.save(&journal{Version: journalVersion, Kept: j.Kept})
}

// stay leaves everything on the disk, after an undo that could not be: the old
// place may have become too small.
func (b Board) stay(ctx context.Context, j *journal) error {
	for _, f := range j.Folders {
		if f.Back != "" && f.Back != f.Before {
			if err := b.removeTree(f.Back); err != nil {
				return err
			}
		}
		f.Back, f.BackSum = "", ""
		if err := b.switchOver(ctx, j, f); err != nil {
			return err
		}
	}
	j.Doing = ""
	if err := b.save(j); err != nil {
		return err
	}
	return b.letGo(ctx, j)
}

func joinLines(lines []string) string {
	text := ""
	for _, l := range lines {
		text += l + "\n"
	}
	return text
}

// needDisk mounts the disk if what is on it has to be read.
func (b Board) needDisk(ctx context.Context, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	if m.at(j.Mount) != nil {
		return b.rightDisk(ctx, j, m)
	}
	if !slices.ContainsFunc(j.Folders, func(f *folder) bool { return (f.Placed || f.Sum != "") && !f.Restored }) {
		return nil
	}
	device, err := b.find(ctx, j.UUID)
	if err != nil {
		return err
	}
	err = b.FS.Do("mount", j.Mount, func() error {
		_, err := b.Run(ctx, "mount", "-t", j.FSType, "-o", "noatime", device, j.Mount)
		return err
	})
	if err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	return nil
}

// find is the device with a file system of that UUID.
func (b Board) find(ctx context.Context, uuid string) (string, error) {
	disks, err := b.Disks(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range disks {
		if d.UUID == uuid && d.FSType != "linux_raid_member" {
			return d.Path, nil
		}
	}
	return "", &RefusedError{NotMounted, fmt.Errorf("UUID=%s, on which the data lies, is not there", uuid), "look whether the disk or RAID is connected and assembled: lsblk; cat /proc/mdstat"}
}

// copyBack has the data of now beside its old place, on the old file system.
func (b Board) copyBack(ctx context.Context, j *journal, f *folder) error {
	to := j.on(f)
	part := beside(f.Path, "back")
	f.Placed = f.Placed || f.copied(to)
	switch {
	case f.Restored, f.Back != "" && !f.Newer && !isGuard(f.Path):
		return nil // swapped already
	case !f.Placed && !isGuard(f.Path):
		return b.removeTree(beside(to, "copy"))
	case !isGuard(f.Path):
		if newer, err := b.diskIsNewer(j, f); err != nil || !newer {
			return err
		}
	}
	disk, err := takeFingerprint(to)
	if err != nil {
		return err
	}
	if f.Back != "" && f.BackSum == disk.Sum {
		return nil
	}
	if f.Fresh && emptyFolder(to) {
		return nil
	}
	f.Newer = !isGuard(f.Path)
	if f.Before != "" && durable.Exists(f.Before) && !isGuard(f.Before) {
		old, err := takeFingerprint(f.Before)
		if err != nil {
			return err
		}
		if old.Sum == disk.Sum {
			f.Back, f.BackSum = f.Before, disk.Sum
			return b.save(j)
		}
	}
	b.tell("copying %s back to %s", to, f.Path)
	sum, err := b.copyTree(ctx, to, part)
	if err != nil {
		return errors.Join(err, b.removeTree(part))
	}
	f.Back, f.BackSum = part, sum.Sum
	return b.save(j)
}

// diskIsNewer is for an apply that did not come to the swap: the old folder is
// still there. If the board ran on the copy since, that one is newer.
func (b Board) diskIsNewer(j *journal, f *folder) (bool, error) {
	if f.Adopted || f.Fresh || f.Sum == "" {
		return false, nil
	}
	disk, err := takeFingerprint(j.on(f))
	if errors.Is(err, fs.ErrNotExist) || err == nil && disk.Sum == f.Sum {
		f.stale = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	old, err := takeFingerprint(f.Path)
	if err != nil {
		return false, err
	}
	if f.Newer && old.Sum == f.BackSum {
		return false, nil // swapped already
	}
	if old.Sum != f.Sum {
		return false, unfit("look which of the two is the right one; keep it and move the other one away", "%s and %s were both changed since they were equal", f.Path, j.on(f))
	}
	return true, nil
}

// swapBack puts the data in its old place.
func (b Board) swapBack(j *journal, f *folder) error {
	if f.Restored {
		return nil
	}
	part := beside(f.Path, "guard")
	if err := b.removeGuardOnly(part); err != nil {
		return err
	}
	switch {
	case isGuard(f.Path) && f.Back == "":
		// Fresh and never used.
		if err := b.removeGuard(f.Path); err != nil {
			return err
		}
	case isGuard(f.Path):
		if err := b.unprotect(f.Path); err != nil {
			return err
		}
		if err := b.exchange(f.Path, f.Back); err != nil {
			return fmt.Errorf("put %s back: %w", f.Path, err)
		}
	case f.Newer:
		if err := b.swapNewer(j, f); err != nil {
			return fmt.Errorf("put %s back: %w", f.Path, err)
		}
	}
	if f.Back != "" {
		if err := b.removeGuardOnly(f.Back); err != nil {
			return err
		}
		if f.Back == f.Before {
			j.Kept = slices.DeleteFunc(j.Kept, func(k string) bool { return k == f.Before })
		}
	}
	if !f.Adopted && f.Placed {
		if err := b.retire(j, f); err != nil {
			return err
		}
	}
	f.Restored = true
	return b.save(j)
}

// swapNewer swaps the old folder with the disk's newer data and keeps the old one.
func (b Board) swapNewer(j *journal, f *folder) error {
	if !durable.Exists(f.Back) {
		return nil
	}
	now, err := takeFingerprint(f.Path)
	if err != nil {
		return err
	}
	if now.Sum != f.BackSum {
		if err := b.exchange(f.Path, f.Back); err != nil {
			return err
		}
	}
	j.keep(f.Before)
	if err := b.save(j); err != nil {
		return err
	}
	return b.FS.Rename(f.Back, f.Before)
}

// removeGuardOnly removes a guard folder, or what a killed removal left of one.
func (b Board) removeGuardOnly(path string) error {
	if isGuard(path) || emptyFolder(path) {
		return b.removeGuard(path)
	}
	if durable.Exists(filepath.Join(path, etcdMember)) {
		if info, err := os.Lstat(filepath.Join(path, etcdMember)); err == nil && info.Mode().IsRegular() {
			return b.removeGuard(path)
		}
	}
	return nil
}

// retire removes the disk's copy, whose equal now lies in the old place.
func (b Board) retire(j *journal, f *folder) error {
	to := j.on(f)
	if !durable.Exists(to) {
		return nil
	}
	if durable.Exists(f.Path) && !f.stale {
		if _, err := sameTree(f.Path, to); err != nil {
			kept := free(to + ".before-undo-" + b.Now().UTC().Format("20060102-150405"))
			j.keep(kept)
			if err := b.save(j); err != nil {
				return err
			}
			return b.FS.Rename(to, kept)
		}
	} else if !f.stale && !emptyFolder(to) {
		return nil
	}
	return b.removeTree(to)
}

// leaveDisk unmounts the disk, unless the owner mounted it, and removes the
// folders that apply made.
func (b Board) leaveDisk(ctx context.Context, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	onDisk := func(path string) bool { return path != j.Mount && inside(path, j.Mount) }
	if m.at(j.Mount) != nil {
		for _, path := range slices.Backward(j.Made) {
			if onDisk(path) && emptyFolder(path) {
				if err := b.FS.Remove(path); err != nil {
					return err
				}
			}
		}
	}
	if !j.OwnersLine && !j.WasMounted {
		if err := b.umount(ctx, j.Mount); err != nil {
			return err
		}
		if durable.Exists(j.Mount) {
			if err := b.unprotect(j.Mount); err != nil {
				return err
			}
		}
	}
	for _, path := range slices.Backward(j.Made) {
		if !onDisk(path) && emptyFolder(path) {
			if err := b.FS.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Clean removes old data that was kept. It returns what it removed and, for what
// it could not reach, why.
func (b Board) Clean() (removed, left []string, err error) {
	unlock, err := lock()
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	j, err := readJournal()
	if err != nil {
		return nil, nil, err
	}
	if j.Doing != "" {
		return nil, nil, &RefusedError{Interrupted, fmt.Errorf("an %s was interrupted", j.Doing), "finish it first: kubeadm-arm storage " + j.Doing}
	}
	if j.UUID != "" {
		m, err := readMounts()
		if err != nil {
			return nil, nil, err
		}
		for _, f := range j.Folders {
			if !m.bound(j.Mount, f.Path) {
				return nil, nil, &RefusedError{NotMounted, fmt.Errorf("%s is not on its disk now: its old data may be the only one", f.Path), "see: kubeadm-arm storage status"}
			}
		}
	}
	var kept []string
	for _, path := range j.Kept {
		if !durable.Exists(path) {
			left = append(left, path+": not there; its disk is not mounted, or somebody has removed it")
			continue
		}
		if err := b.removeTree(path); err != nil {
			return removed, left, fmt.Errorf("remove %s: %w", path, err)
		}
		removed = append(removed, path)
	}
	j.Kept = kept
	for _, f := range j.Folders {
		f.Before = ""
	}
	if j.UUID == "" && len(j.Kept) == 0 {
		return removed, left, b.drop()
	}
	return removed, left, b.save(j)
}
