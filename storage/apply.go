package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Apply carries a plan out. It does again only what is not done yet, so that it
// also finishes a run that was killed. If a step fails, all is taken back.
//
// The order of its steps is what keeps the data safe:
//
//  1. the journal and a copy of fstab
//  2. the disk is mounted, what works in the folders is stopped
//  3. each folder is copied, the copy proved equal and moved to its place
//  4. each folder is compared with its copy once more
//  5. drop-ins: from here on no service starts without its mount
//  6. fstab, in one step
//  7. each folder is compared again and swapped, in one step, with a guard folder,
//     and the bind mount is made over that
//
// Before 6 the old data is in use and nothing else is; after it the disk's is.
// In between a board that starts again mounts the equal copy.
func (b Board) Apply(ctx context.Context, w Request) (Plan, error) {
	unlock, err := lockAfter(func() error { _, err := b.Decide(ctx, w); return err })
	if err != nil {
		return Plan{}, err
	}
	defer unlock()
	j, err := b.journalFor(w.Rebuild, w.TakeOver)
	if err != nil {
		return Plan{}, err
	}
	if j.Doing == "undo" {
		return Plan{Unfinished: "undo"}, &RefusedError{Interrupted, errors.New("an undo was interrupted"),
			"finish it first: kubeadm-arm storage undo"}
	}
	resumed := j.Doing == "apply"
	if resumed {
		// An interrupted run had leave to stop what works there.
		w.Stop = true
	}
	p, err := b.decide(ctx, w, j)
	if err != nil {
		return p, err
	}
	if p.Nothing {
		return p, b.accept(j, p.journal.Hardware, w.Use)
	}
	b.Program = p.program
	m := newMover(live{b, p.Disk.Path}, p.journal, "apply", w.Use)
	m.grace = b.grace()
	return p, m.applyOrTakeBack(ctx, resumed, func() error { return b.begin(p, p.journal) })
}

// accept records what was found in its place though it is not what was set up: hardware
// that the owner has replaced, and folders that were made anew, if that was chosen.
func (b Board) accept(j *journal, hardware, use []string) error {
	was := j.clone()
	j.Hardware = hardware
	for _, f := range j.Folders {
		if err := j.madeAnew(f); err != nil && !slices.Contains(use, j.target(f)) {
			return err
		}
		id, err := identify(j.target(f))
		if err != nil {
			return err
		}
		f.Disk = id
	}
	same := slices.EqualFunc(was.Folders, j.Folders, func(a, b *folder) bool { return *a == *b })
	if same && slices.Equal(was.Hardware, j.Hardware) {
		return nil
	}
	return b.save(j)
}

// applyOrTakeBack sets all up, or takes back what could not be. An interrupted run
// that finds copies of which it does not know the right one stays as it is, and
// nothing runs on either until the owner has chosen.
func (m *mover) applyOrTakeBack(ctx context.Context, resumed bool, begin func() error) error {
	if err := m.lookInUse(); err != nil {
		return err
	}
	err := begin()
	if err == nil {
		err = m.apply(ctx)
	}
	if err == nil || resumed && isDifferent(err) {
		return err
	}
	m.tell("taking it back")
	ending, cancel := m.ending(ctx)
	defer cancel()
	back := m.takeBack(ending)
	switch {
	case back == nil:
		return err
	case ending.Err() != nil:
		return unfinished(fmt.Errorf("%w, and not all of it is taken back yet", err))
	}
	return fmt.Errorf("%w (and taking it back failed: %w)", err, back)
}

// unfinished is a run that the owner ended before the board was in order again.
func unfinished(err error) error {
	return &RefusedError{Interrupted, err, "finish that with: kubeadm-arm storage undo"}
}

func isDifferent(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Reason == Different
}

// takeBack undoes a failed apply: all of it, or the folders that it was to add to
// those that were set up before.
func (m *mover) takeBack(ctx context.Context) error {
	var added, done []*folder
	for _, f := range m.j.Folders {
		if f.State == onDisk && !m.home[f.Path] {
			done = append(done, f)
		} else {
			added = append(added, f)
		}
	}
	m.verb = "undo"
	rest := *m.j
	rest.Folders = done
	if len(done) == 0 {
		m.j.Doing = "undo"
		if err := m.record(); err != nil {
			return err
		}
		return m.undo(ctx)
	}
	if err := m.back(ctx, added, rest.block(), rest.paths()); err != nil {
		return err
	}
	m.j.Folders, m.j.Doing = done, ""
	if err := m.record(); err != nil {
		return err
	}
	return m.letGo(ctx)
}

// begin has the plan and a copy of fstab on the disk.
func (b Board) begin(p Plan, j *journal) error {
	stamp := b.Now().UTC().Format("20060102-150405")
	for _, f := range j.Folders {
		j.nameFolder(f, stamp)
	}
	if j.Doing == "" {
		j.Doing = "apply"
		if j.Backup == "" && p.Before != nil {
			j.Backup = unusedName(backupPrefix + stamp)
		}
	}
	if err := b.save(j); err != nil {
		return err
	}
	if j.Backup == "" {
		return nil
	}
	if _, err := os.Lstat(j.Backup); err == nil {
		return nil
	}
	info, err := os.Lstat(fstabPath)
	if err != nil {
		return err
	}
	if err := b.FS.WriteFile(j.Backup, p.Before, info.Mode().Perm()); err != nil {
		return fmt.Errorf("keep a copy of fstab: %w", err)
	}
	return nil
}

// mountDisk mounts the disk where nobody has yet. The folder below it is made
// immutable: systemd makes missing sources of bind mounts, and would make them
// there.
func (l live) mountDisk(ctx context.Context, j *journal) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	if m.at(j.Mount) != nil {
		return l.rightDisk(ctx, j, m)
	}
	device := l.device
	if device == "" {
		if device, err = l.find(ctx, j); err != nil {
			return err
		}
	}
	if err := l.makeFolder(j, j.Mount, 0o755); err != nil {
		return err
	}
	if _, err := l.Board.protect(j.Mount); err != nil {
		return err
	}
	l.tell("mounting %s at %s", device, j.Mount)
	err = l.FS.Do("mount", j.Mount, func() error {
		_, err := l.Run(ctx, "mount", "-t", j.FSType, "-o", "noatime", device, j.Mount)
		return err
	})
	if err != nil {
		return fmt.Errorf("mount the disk: %w", err)
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
	if info, err := os.Lstat(fstabPath); err == nil {
		mode = info.Mode().Perm()
	}
	if err := b.FS.WriteFile(fstabPath, text, mode); err != nil {
		return fmt.Errorf("write fstab: %w", err)
	}
	return b.reload(ctx)
}
