package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// UndoOptions say in which way an undo is wanted.
type UndoOptions struct {
	// Stop says that running services may be stopped.
	Stop bool
	// Use are the copies to go on with where two differ.
	Use []string
	// WithoutDisk gives up what is on the disk: it is gone for good, or belongs to
	// another board.
	WithoutDisk bool
	// TakeOver says that the set-up of another board is this one's now.
	TakeOver bool
}

// Undo takes everything back: the present data returns to its old places, fstab
// to its owner's bytes, the drop-ins go. It finishes an undo that was killed and
// takes back an apply that was.
//
// Like apply it copies and proves first, changes fstab in one step, and then
// swaps each folder in one step; until then a guard folder lies there.
func (b Board) Undo(ctx context.Context, how UndoOptions) error {
	unlock, err := lockAfter(func() error { _, err := b.setUpJournal(how); return err })
	if err != nil {
		return err
	}
	defer unlock()
	j, err := b.setUpJournal(how)
	if err != nil {
		return err
	}
	m := newMover(live{b, ""}, j, "undo", how.Use)
	m.grace = b.grace()
	if m.withoutDisk = how.WithoutDisk; m.withoutDisk {
		m.verb = "undo --without-disk"
		if err := b.refuseDiskHere(ctx, j); err != nil {
			return err
		}
	}
	if err := checkUse(j, how.Use); err != nil {
		return err
	}
	stop := how.Stop || j.Doing != ""
	if err := b.refuseUndo(ctx, j, stop); err != nil {
		return err
	}
	return m.undoOrStay(ctx)
}

// setUpJournal is the journal of what can be undone.
func (b Board) setUpJournal(how UndoOptions) (*journal, error) {
	j, err := b.journalFor(false, how.TakeOver || how.WithoutDisk)
	if err != nil || j.UUID != "" {
		return j, err
	}
	if err := strayLines(); err != nil {
		return nil, err
	}
	return nil, &RefusedError{NotSetUp, errors.New("nothing is set up by kubeadm-arm storage"),
		"see: kubeadm-arm storage plan"}
}

// refuseUndo looks for what does not allow it. It changes nothing.
func (b Board) refuseUndo(ctx context.Context, j *journal, stop bool) error {
	text, err := readFstab()
	if err != nil {
		return err
	}
	_, block, err := fstab.Split(text)
	if err != nil {
		return damagedLines(err)
	}
	for _, text := range block {
		l := fstab.Parse([]byte(text))
		if len(l) == 0 || l[0].File != j.Mount && j.folder(l[0].File) == nil {
			return unsuitable("move it out of the marked lines",
				"%s: the lines of kubeadm-arm storage hold one that is not ours: %s",
				fstabPath, text)
		}
	}
	m, err := readMounts()
	if err != nil {
		return err
	}
	if err := j.writable(m); err != nil || stop {
		return err
	}
	if running := b.running(ctx, j.paths()); len(running) > 0 {
		return &RefusedError{Busy, fmt.Errorf("%s works in what is to be moved", running[0]),
			"add --stop to have it stopped, and started again afterwards"}
	}
	return b.refuseBusy(ctx, j.paths())
}

// refuseDiskHere refuses to give up a disk that is there.
func (b Board) refuseDiskHere(ctx context.Context, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	foreign := j.Board != "" && j.Board != b.identity()
	device, err := b.find(ctx, j)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason != NotMounted && !foreign {
		return err // there are two
	}
	if m.at(j.Mount) == nil && (err != nil || foreign) {
		return nil
	}
	if device == "" {
		device = "a disk"
	}
	return unsuitable("leave out --without-disk; if it is dead, disconnect it and restart the board",
		"%s is there: %s at %s", "UUID="+j.UUID, device, j.Mount)
}

// checkUse refuses a choice that stands for nothing.
func checkUse(j *journal, use []string) error {
	for _, u := range use {
		if !slices.ContainsFunc(j.Folders, func(f *folder) bool {
			return slices.Contains([]string{f.Path, j.target(f), f.Names.Before, f.Return}, u)
		}) {
			return unsuitable("name one of the two folders that differ", "--use %s: it is no copy of a folder that is set up", u)
		}
	}
	return nil
}

// undoOrStay takes all back, or leaves it as it was if that cannot be.
func (m *mover) undoOrStay(ctx context.Context) error {
	was, were := m.j.Doing, map[string]state{}
	for _, f := range m.j.Folders {
		were[f.Path] = f.State
	}
	if !m.withoutDisk && slices.ContainsFunc(m.j.Folders, needsDisk) {
		if err := m.mountDisk(ctx, m.j); err != nil {
			return err
		}
	}
	if err := m.lookInUse(); err != nil {
		return err
	}
	if m.j.Doing != "undo" {
		m.j.Doing = "undo"
		if err := m.record(); err != nil {
			return err
		}
	}
	err := m.undo(ctx)
	if err == nil {
		return nil
	}
	if was == "" {
		if failed := m.stay(ctx, were); failed != nil {
			err = fmt.Errorf("%w (and leaving all on the disk failed: %w)", err, failed)
		}
	}
	if m.j.Doing != "" && ctx.Err() != nil {
		return unfinished(err)
	}
	return err
}

// needsDisk reports whether a folder cannot be taken back without the disk.
func needsDisk(f *folder) bool { return f.State != planned && f.State != finished }

// lookInUse notes what the board runs on. The owner cannot mean the folder below
// by its path, while the path shows the disk's.
func (m *mover) lookInUse() error {
	for _, f := range m.j.Folders {
		is, err := m.bound(m.j, f)
		if err != nil {
			return err
		}
		m.inUse[f.Path] = is
		if is && slices.Contains(m.use, f.Path) {
			return unsuitable("to see the folder below, unmount it: umount "+shell.InQuotes(f.Path)+"; then repeat",
				"--use %s: the disk's %s is mounted there", f.Path, m.j.target(f))
		}
	}
	return nil
}

// undo takes all folders back and forgets the set-up. What was kept stays known.
func (m *mover) undo(ctx context.Context) error {
	if err := m.back(ctx, m.j.Folders, nil, nil); err != nil {
		return err
	}
	if err := m.leaveDisk(ctx, m.j); err != nil {
		return err
	}
	if err := m.start(ctx, m.j); err != nil {
		return err
	}
	return m.forget()
}

// forget drops the journal, but for copies that are kept.
func (m *mover) forget() error {
	left := &journal{Version: journalVersion, Board: m.j.Board}
	for _, k := range m.j.Kept {
		// One whose name was recorded, and then not needed, is none.
		gone, err := m.gone(k)
		if err != nil {
			return err
		}
		if !gone {
			left.Kept = append(left.Kept, k)
		}
	}
	if len(left.Kept) == 0 {
		return m.drop()
	}
	return m.save(left)
}

func joinLines(lines []string) string {
	text := ""
	for _, l := range lines {
		text += l + "\n"
	}
	return text
}

// find is the device with the file system of the set-up. Of several with its
// UUID it is the one that is mounted in its place; if none is, there is no telling.
func (b Board) find(ctx context.Context, j *journal) (string, error) {
	disks, err := b.Disks(ctx)
	if err != nil {
		return "", err
	}
	return findDisk(disks, j)
}

func findDisk(disks []Disk, j *journal) (string, error) {
	found := withUUID(disks, j.UUID)
	switch len(found) {
	case 0:
		return "", &RefusedError{NotMounted, fmt.Errorf("UUID=%s, on which the data lies, is not there", j.UUID), missingHelp}
	case 1:
		return found[0].Path, nil
	}
	if d := mountedIn(found, j.Mount); d != nil {
		return d.Path, refuseClone(j, d.Path, found)
	}
	return "", ambiguous("UUID="+j.UUID, found)
}

// mountedIn is the one of some disks that is mounted at a place, nil for none.
func mountedIn(disks []Disk, place string) *Disk {
	for i, d := range disks {
		if place != "" && slices.Contains(d.MountedAt, place) {
			return &disks[i]
		}
	}
	return nil
}

// ambiguous refuses to guess between disks.
func ambiguous(name string, found []Disk) *RefusedError {
	var paths []string
	for _, d := range found {
		paths = append(paths, d.Path)
	}
	help := "disconnect the one that is not meant (a clone or a backup)"
	// f2fs has no program for it.
	another := map[string]string{"ext": "tune2fs -U random", "xfs": "xfs_admin -U generate", btrfs: "btrfstune -u"}
	if command := another[strings.TrimRight(found[0].FSType, "234")]; command != "" {
		help += ", or give it another UUID (" + command + " DEVICE)"
	}
	return refuse(help,
		"%s: %d disks have it: %s", name, len(found), strings.Join(paths, " and "))
}

const missingHelp = "look whether the disk or RAID is connected and assembled: lsblk; cat /proc/mdstat; " +
	"if it is gone for good: kubeadm-arm storage undo --without-disk"

// leaveDisk unmounts the disk, unless the owner mounted it, and removes the
// folders that apply made, and the copy of fstab: it is its owner's again.
func (l live) leaveDisk(ctx context.Context, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	onDisk := func(path string) bool { return path != j.Mount && tree.Inside(path, j.Mount) }
	remove := func(these func(string) bool) error {
		for _, path := range slices.Backward(j.Made) {
			if these(path) && tree.IsEmpty(path) {
				err := l.FS.Remove(path)
				if err != nil && !(onDisk(path) && errors.Is(err, unix.EROFS)) {
					return err
				}
			}
		}
		return nil
	}
	if m.at(j.Mount) != nil {
		if err := remove(onDisk); err != nil {
			return err
		}
	}
	if !j.OwnersLine && !j.WasMounted {
		if err := l.umount(ctx, j.Mount); err != nil {
			return err
		}
		if tree.IsEmpty(j.Mount) {
			if err := l.unprotect(j.Mount); err != nil {
				return err
			}
		}
	}
	if err := remove(func(path string) bool { return !onDisk(path) }); err != nil || j.Backup == "" {
		return err
	}
	return l.FS.Remove(j.Backup)
}
