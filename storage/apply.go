package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// Apply carries a plan out. It does again only what is not done yet, so that it
// also finishes a run that was killed. If a step fails, all is taken back.
//
// The order of its steps is what keeps the data safe:
//
//  1. the journal and a copy of fstab
//  2. the disk is mounted, what works in the folders is stopped
//  3. each folder is copied, the copy proved equal and moved to its place
//  4. drop-ins: from here on no service starts without its mount
//  5. fstab, in one step
//  6. each folder is swapped, in one step, with a guard folder, and the bind
//     mount is made over that
//
// Before 5 the old data is in use and nothing else is; after it the disk's is.
// In between a board that starts again mounts the equal copy.
func (b Board) Apply(ctx context.Context, w Wish) (Plan, error) {
	unlock, err := lock()
	if err != nil {
		return Plan{}, err
	}
	defer unlock()
	j, err := readJournal()
	if err != nil {
		return Plan{}, err
	}
	if j.Doing == "undo" {
		return Plan{Unfinished: "undo"}, &RefusedError{Interrupted, errors.New("an undo was interrupted"), "finish it first: kubeadm-arm storage undo"}
	}
	if j.Doing == "apply" {
		// An interrupted run had leave to stop what works there.
		w.Stop = true
	}
	p, err := b.Decide(ctx, w)
	if err != nil || p.Nothing {
		return p, err
	}
	j = p.journal
	if err := b.apply(ctx, p, j); err != nil {
		b.tell("taking it back")
		if back := b.takeBack(context.WithoutCancel(ctx), p, j); back != nil {
			return p, fmt.Errorf("%w (and taking it back failed: %w)", err, back)
		}
		return p, err
	}
	return p, nil
}

// takeBack undoes a failed apply: all of it, or the folders that it was to add to
// those that were set up before.
func (b Board) takeBack(ctx context.Context, p Plan, j *journal) error {
	var added, done []*folder
	for _, f := range j.Folders {
		if f.Done {
			done = append(done, f)
		} else {
			added = append(added, f)
		}
	}
	if len(done) == 0 {
		return b.undo(ctx, j, true)
	}
	var paths []string
	for _, f := range added {
		paths = append(paths, f.Path)
	}
	if err := b.quietMounted(ctx, j, paths); err != nil {
		return err
	}
	for _, f := range added {
		if err := b.copyBack(ctx, j, f); err != nil {
			return err
		}
	}
	old := *j
	old.Folders = done
	owner, _, err := splitFstab(p.After)
	if err != nil {
		return err
	}
	if err := b.writeFstab(ctx, joinFstab(owner, old.block())); err != nil {
		return err
	}
	for _, f := range added {
		if err := b.swapBack(j, f); err != nil {
			return err
		}
	}
	if len(p.Units) > 0 {
		if err := b.removeUnits(ctx); err != nil {
			return err
		}
		if err := b.writeUnits(ctx, unitFiles(b.Program, j.Mount, old.paths())); err != nil {
			return err
		}
	}
	if err := b.startAgain(ctx, j); err != nil {
		return err
	}
	old.Kept, old.Doing, old.Stopped = j.Kept, "", nil
	return b.save(&old)
}

func (b Board) apply(ctx context.Context, p Plan, j *journal) error {
	if err := b.begin(p, j); err != nil {
		return err
	}
	if err := b.mountDisk(ctx, p, j); err != nil {
		return err
	}
	var moving []string
	for _, f := range j.Folders {
		if !f.Switched {
			moving = append(moving, f.Path)
		}
	}
	if len(moving) > 0 {
		// A board that was started again after 5 has them mounted already.
		if err := b.quietMounted(ctx, j, moving); err != nil {
			return err
		}
	}
	for _, f := range j.Folders {
		if err := b.place(ctx, j, f); err != nil {
			return err
		}
	}
	if err := b.writeUnits(ctx, p.Units); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := b.writeFstab(ctx, p.After); err != nil {
		return err
	}
	for _, f := range j.Folders {
		if err := b.switchOver(ctx, j, f); err != nil {
			return err
		}
	}
	m, err := readMounts()
	if err != nil {
		return err
	}
	for _, f := range j.Folders {
		if !m.bound(j.Mount, f.Path) {
			return fmt.Errorf("mount %s: it is not what is mounted there", f.Path)
		}
	}
	for _, f := range j.Folders {
		f.Done = true
	}
	j.Doing = ""
	if err := b.save(j); err != nil {
		return err
	}
	return b.letGo(ctx, j)
}

// letGo starts what was stopped, once all is at rest: until then the guard lets
// nothing start.
func (b Board) letGo(ctx context.Context, j *journal) error {
	if len(j.Stopped) == 0 {
		return nil
	}
	if err := b.startAgain(ctx, j); err != nil {
		return err
	}
	j.Stopped = nil
	return b.save(j)
}

// begin has the plan and a copy of fstab on the disk.
func (b Board) begin(p Plan, j *journal) error {
	stamp := b.Now().UTC().Format("20060102-150405")
	for _, f := range j.Folders {
		if f.Before == "" && !f.Fresh {
			f.Before = free(f.Path + ".before-storage-" + stamp)
		}
	}
	if j.Doing == "" {
		j.Doing = "apply"
		if j.Backup == "" && p.Before != nil {
			j.Backup = free(fstabPath + ".before-storage-" + stamp)
		}
	}
	if err := b.save(j); err != nil {
		return err
	}
	if j.Backup == "" || durable.Exists(j.Backup) {
		return nil
	}
	info, err := os.Stat(fstabPath)
	if err != nil {
		return err
	}
	if err := b.FS.WriteFile(j.Backup, p.Before, info.Mode().Perm()); err != nil {
		return fmt.Errorf("keep a copy of fstab: %w", err)
	}
	return nil
}

// free is a name that nothing has.
func free(name string) string {
	for n, at := 1, name; ; n++ {
		if !durable.Exists(at) {
			return at
		}
		at = fmt.Sprintf("%s-%d", name, n)
	}
}

// mountDisk mounts the disk where nobody has yet. The folder below it is made
// immutable: systemd makes missing sources of bind mounts, and would make them
// there.
func (b Board) mountDisk(ctx context.Context, p Plan, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	if m.at(j.Mount) != nil {
		return nil
	}
	if err := b.makeFolders(j, j.Mount, 0o755); err != nil {
		return err
	}
	if _, err := b.protect(j.Mount); err != nil {
		return err
	}
	b.tell("mounting %s at %s", p.Disk.Path, j.Mount)
	err = b.FS.Do("mount", j.Mount, func() error {
		_, err := b.Run(ctx, "mount", "-t", j.FSType, "-o", "noatime", p.Disk.Path, j.Mount)
		return err
	})
	if err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	return nil
}

// makeFolders makes a folder and remembers, before it does, what it makes.
func (b Board) makeFolders(j *journal, path string, mode os.FileMode) error {
	changed := false
	for at := path; !durable.Exists(at); at = filepath.Dir(at) {
		if !slices.Contains(j.Made, at) {
			j.Made, changed = append(j.Made, at), true
		}
	}
	if changed {
		slices.SortFunc(j.Made, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
		if err := b.save(j); err != nil {
			return err
		}
	}
	return b.FS.MkdirAll(path, mode)
}

// quietMounted stops what works in the folders and takes mounts off them that a
// start of the board has made between 5 and 6.
func (b Board) quietMounted(ctx context.Context, j *journal, folders []string) error {
	if err := b.quiet(ctx, j, folders); err != nil {
		return err
	}
	for _, f := range folders {
		if err := b.umount(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// umount takes what is mounted at a place off.
func (b Board) umount(ctx context.Context, place string) error {
	m, err := readMounts()
	if err != nil || m.at(place) == nil {
		return err
	}
	err = b.FS.Do("umount", place, func() error {
		_, err := b.Run(ctx, "umount", place)
		return err
	})
	if err != nil {
		return fmt.Errorf("unmount %s: %w", place, err)
	}
	return nil
}

// place has a folder's data at its place on the disk, proved equal.
func (b Board) place(ctx context.Context, j *journal, f *folder) error {
	if f.Switched || isGuard(f.Path) {
		return nil
	}
	to, part := j.on(f), beside(j.on(f), "copy")
	f.Placed = f.Placed || f.copied(to)
	if f.Placed {
		if ok, err := b.stillEqual(j, f); err != nil {
			return err
		} else if ok {
			return b.save(j)
		}
		// The old folder has changed since, its copy has not.
		if err := b.removeTree(to); err != nil {
			return err
		}
		f.Placed, f.Sum = false, ""
		if err := b.save(j); err != nil {
			return err
		}
	}
	if err := b.makeFolders(j, filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if durable.Exists(to) && !emptyFolder(to) {
		if durable.Exists(f.Path) && !emptyFolder(f.Path) {
			return unfit("look which of the two is the right one, and move the other one away", "both %s and %s hold data", f.Path, to)
		}
		f.Adopted, f.Placed = true, true
		return b.save(j)
	}
	if !durable.Exists(f.Path) {
		if err := b.makeFolders(j, to, 0o700); err != nil {
			return err
		}
		f.Placed = true
		return b.save(j)
	}
	b.tell("copying %s to %s", f.Path, to)
	sum, err := b.copyTree(ctx, f.Path, part)
	if err != nil {
		return errors.Join(err, b.removeTree(part))
	}
	f.Sum = sum.Sum
	if err := b.save(j); err != nil {
		return err
	}
	if err := b.FS.Remove(to); err != nil { // an empty one
		return err
	}
	if err := b.FS.Rename(part, to); err != nil {
		return fmt.Errorf("put the copy in its place: %w", err)
	}
	f.Placed = true
	return b.save(j)
}

// stillEqual compares, in a run that goes on, what was proved equal before. ok is
// false if the old folder was written to since and its copy was not.
func (b Board) stillEqual(j *journal, f *folder) (ok bool, err error) {
	if f.Adopted || f.Fresh || f.Sum == "" {
		return true, nil
	}
	old, err := takeFingerprint(f.Path)
	if err != nil || old.Sum == f.Sum {
		return err == nil, err // then the disk's is as new or newer
	}
	disk, err := takeFingerprint(j.on(f))
	if err != nil {
		return false, err
	}
	if disk.Sum != f.Sum {
		return false, unfit("look which of the two is the right one; keep it and move the other one away", "%s and %s were both changed since they were equal", f.Path, j.on(f))
	}
	return false, nil
}

// writeFstab replaces fstab, mode kept, and has systemd read it.
func (b Board) writeFstab(ctx context.Context, text []byte) error {
	old, err := readFstab()
	if err != nil {
		return err
	}
	if bytes.Equal(old, text) {
		return nil
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(fstabPath); err == nil {
		mode = info.Mode().Perm()
	}
	if err := b.FS.WriteFile(fstabPath, text, mode); err != nil {
		return fmt.Errorf("write fstab: %w", err)
	}
	return b.reload(ctx)
}

// switchOver puts the guard folder in the old one's place and mounts over it.
func (b Board) switchOver(ctx context.Context, j *journal, f *folder) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	if !f.Switched {
		guard := beside(f.Path, "guard")
		if !isGuard(f.Path) {
			if err := b.makeFolders(j, filepath.Dir(f.Path), 0o755); err != nil {
				return err
			}
			if err := b.makeGuard(guard, f.Path, "UUID="+j.UUID, f.Etcd); err != nil {
				return err
			}
			if durable.Exists(f.Path) {
				err = b.exchange(f.Path, guard)
			} else {
				err = b.FS.Rename(guard, f.Path)
			}
			if err != nil {
				return fmt.Errorf("put %s aside: %w", f.Path, err)
			}
		}
		if durable.Exists(guard) {
			if err := b.FS.Rename(guard, f.Before); err != nil {
				return fmt.Errorf("keep the old %s: %w", f.Path, err)
			}
		}
		if f.Before != "" {
			j.keep(f.Before)
		}
		// Before the note: once it is mounted over, nobody sees it any more.
		can, err := b.protect(f.Path)
		if err != nil {
			return err
		}
		if !can {
			b.tell("%s: its file system has no immutable flag; what lies under the mount is guarded by a file only", f.Path)
		}
		f.Switched = true
		if err := b.save(j); err != nil {
			return err
		}
	}
	if m.bound(j.Mount, f.Path) {
		return nil
	}
	err = b.FS.Do("mount", f.Path, func() error {
		_, err := b.Run(ctx, "mount", "--bind", j.on(f), f.Path)
		return err
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", f.Path, err)
	}
	return nil
}
