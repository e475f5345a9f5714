package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// A kind is what lies at a path.
type kind int

const (
	nothing kind = iota
	// empty is a folder without anything in it.
	empty
	// guard is the guard folder of the folder in question.
	guard
	// data is a folder with something in it.
	data
)

// machine is all that moving a folder there and back does to the board, and all
// that it sees of it. The board itself is one, the state model of the tests
// another.
type machine interface {
	save(*journal) error
	drop() error
	// kind is what lies at a path. An error is a path that cannot be looked at.
	kind(j *journal, f *folder, path string) (kind, error)
	// sum is the fingerprint of a folder.
	sum(ctx context.Context, path string) (string, error)
	// same reports whether two paths lead to one folder.
	same(one, other string) (bool, error)
	// contained reports whether all of one folder is in another, too.
	contained(ctx context.Context, part, in string, whole bool) (bool, error)
	// differ describes two folders that are not equal; sum is what both were.
	differ(ctx context.Context, one, other, sum string) string
	// emptied is a file of one folder that is empty or missing in another.
	emptied(ctx context.Context, of, in string) (string, error)
	// copyTree copies a folder, has it on the disk and proves it equal.
	copyTree(ctx context.Context, from, to string) (sum string, err error)
	// sync has on the disk what was written to the file system of a folder; stampOf
	// is then the stamp of the folder (see tree.TakeStamp), and a write after wait has
	// returned changes it.
	sync(ctx context.Context, path string) error
	stampOf(ctx context.Context, path string) (string, error)
	wait() error
	// unused refuses a folder at a path that somebody works in.
	unused(ctx context.Context, name, at string) error

	// makeFolder makes a folder and those above it, and remembers what was not
	// there.
	makeFolder(j *journal, path string, mode os.FileMode) error
	rename(from, to string) error
	exchange(one, other string) error
	// remove removes an empty folder, removeTree one with all that is in it on the
	// same mount.
	remove(path string) error
	removeTree(ctx context.Context, path string) error
	makeGuard(j *journal, f *folder, path string, save func() error) error
	removeGuard(path string) error
	protect(f *folder) error
	unprotect(path string) error

	mountDisk(ctx context.Context, j *journal) error
	bound(j *journal, f *folder) (bool, error)
	bind(ctx context.Context, j *journal, f *folder) error
	// quiet stops what works in the folders and takes mounts off them.
	quiet(ctx context.Context, j *journal, paths []string) error
	// start starts the services that quiet stopped.
	start(ctx context.Context, j *journal) error
	// setUp writes the lines of the folders to fstab, and takes them out if there
	// are none; units does the same with the drop-ins.
	setUp(ctx context.Context, j *journal, lines []string) error
	units(ctx context.Context, j *journal, folders []string) error
	leaveDisk(ctx context.Context, j *journal) error
	unusedName(name string) string
	// identity is what a folder is known by, whatever is in it.
	identity(path string) (guardID, error)
	stamp() string
	tell(format string, args ...any)
}

// live is the board as a machine. program is the path that stands in drop-ins,
// empty for none.
type live struct {
	Board
	device string
}

func (l live) kind(j *journal, f *folder, path string) (kind, error) {
	if err := staysOnDisk(j.Mount, path); err != nil {
		return nothing, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return nothing, fmt.Errorf("look at %s: %w", path, err)
	}
	if !info.IsDir() {
		return nothing, unsuitable("move it away", "%s is not a folder", path)
	}
	dir, err := tree.OpenFolder(path)
	if err != nil {
		return nothing, err
	}
	defer dir.Close()
	switch {
	case j.isGuard(f, path):
		return guard, nil
	case tree.IsEmpty(path):
		return empty, nil
	}
	return data, nil
}

// staysOnDisk refuses a path below the disk's mount point that links or mounts on the
// way lead elsewhere, such as back to the card.
func staysOnDisk(mount, path string) error {
	if mount == "" || path == mount || !tree.Inside(path, mount) {
		return nil
	}
	m, err := readMounts()
	if err != nil {
		return err
	}
	for at := filepath.Dir(path); at != mount; at = filepath.Dir(at) {
		if m.at(at) != nil {
			return unsuitable("unmount it", "%s is a mount point: what lies below it is not on the disk", at)
		}
		if info, err := os.Lstat(at); err == nil && !info.IsDir() {
			return unsuitable("move it away", "%s is not a folder, and would lead away from the disk", at)
		}
	}
	return nil
}

func (l live) sum(ctx context.Context, path string) (string, error) {
	f, err := tree.TakeFingerprint(ctx, path)
	return f.Sum, err
}

func (l live) same(one, other string) (bool, error) {
	a, err := os.Lstat(one)
	if err != nil {
		return false, err
	}
	b, err := os.Lstat(other)
	return err == nil && os.SameFile(a, b), err
}

func (l live) contained(ctx context.Context, part, in string, whole bool) (bool, error) {
	ok, _, err := tree.Contained(ctx, part, in, whole)
	return ok, err
}

func (l live) emptied(ctx context.Context, of, in string) (string, error) {
	return emptied(ctx, of, in)
}

func (l live) copyTree(ctx context.Context, from, to string) (string, error) {
	f, err := l.Board.copyTree(ctx, from, to)
	return f.Sum, err
}

// differ says by what evidence one of two folders is newer.
func (l live) differ(ctx context.Context, one, other, sum string) string {
	where, err := tree.FirstDifference(ctx, one, other)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%s and %s differ (%s)", one, other, where)
	for _, path := range []string{one, other} {
		name, at, err := tree.LastWritten(ctx, path)
		if err != nil {
			return text + ": " + err.Error()
		}
		bytes, _, err := tree.Usage(ctx, path)
		if err != nil {
			return text + ": " + err.Error()
		}
		text += fmt.Sprintf("; in %s (%s) %s was written last, %s", path, size(bytes), name, at.UTC().Format(time.RFC3339))
		if now, err := l.sum(ctx, path); err == nil && sum != "" && now == sum {
			text += ", and nothing changed since the two were equal"
		}
	}
	for _, pair := range [][2]string{{one, other}, {other, one}} {
		if name, err := emptied(ctx, pair[0], pair[1]); err == nil && name != "" {
			text += fmt.Sprintf("; %s is empty or missing in %s, as fsck leaves a damaged file", name, pair[1])
		}
	}
	return text
}

func (l live) stampOf(ctx context.Context, path string) (string, error) {
	return tree.TakeStamp(ctx, path)
}
func (l live) sync(ctx context.Context, path string) error { return l.syncFS(ctx, path) }

// wait outlasts the clock of file times.
func (l live) wait() error { time.Sleep(tree.ClockTick); return nil }

func (l live) start(ctx context.Context, j *journal) error { return l.startAgain(ctx, j) }

func (l live) removeTree(ctx context.Context, path string) error {
	return tree.Remove(ctx, l.FS, path)
}
func (l live) rename(from, to string) error     { return l.FS.Rename(from, to) }
func (l live) exchange(one, other string) error { return l.FS.Exchange(one, other) }
func (l live) remove(path string) error         { return l.FS.Remove(path) }
func (l live) identity(path string) (guardID, error) {
	return identify(path)
}
func (l live) unusedName(name string) string { return unusedName(name) }
func (l live) stamp() string                 { return l.Now().UTC().Format("20060102-150405") }

// protect is the last thing before the mount: after it nobody sees the folder.
func (l live) protect(f *folder) error {
	if f.Guard.Unrecorded {
		id, err := identify(f.Path)
		if err != nil {
			return err
		}
		f.Guard = id
	}
	can, err := l.Board.protect(f.Path)
	if err == nil && !can {
		l.tell("%s: its file system has no immutable flag; what lies under the mount is guarded by a file only", f.Path)
	}
	return err
}

func (l live) bound(j *journal, f *folder) (bool, error) {
	m, err := readMounts()
	return err == nil && m.bound(j.Mount, f.Path), err
}

func (l live) bind(ctx context.Context, j *journal, f *folder) error {
	if is, err := l.bound(j, f); err != nil || is {
		return err
	}
	err := l.FS.Do("mount", f.Path, func() error {
		_, err := l.Run(ctx, "mount", "--bind", j.target(f), f.Path)
		return err
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", f.Path, err)
	}
	if is, err := l.bound(j, f); err != nil || !is {
		return errors.Join(err, fmt.Errorf("mount %s: it is not what is mounted there", f.Path))
	}
	return nil
}

func (l live) quiet(ctx context.Context, j *journal, paths []string) error {
	if err := l.Board.quiet(ctx, j, paths); err != nil {
		return err
	}
	for _, path := range paths {
		if err := l.umount(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// setUp keeps what stands in fstab outside of the marked lines as it is.
func (l live) setUp(ctx context.Context, _ *journal, lines []string) error {
	text, err := readFstab()
	if err != nil {
		return err
	}
	owner, block, err := fstab.Split(text)
	if err != nil {
		return damagedLines(err)
	}
	if lines == nil {
		return l.writeFstab(ctx, owner)
	}
	if slices.Equal(block, lines) {
		return nil // wherever in the file they stand
	}
	return l.writeFstab(ctx, fstab.Join(owner, lines))
}

func (l live) units(ctx context.Context, j *journal, folders []string) error {
	files := map[string]string{}
	if len(folders) > 0 && systemd.Booted("/") && l.Program != "" {
		var err error
		if files, err = unitFiles(l.Program, j.Mount, folders); err != nil {
			return err
		}
	}
	if err := l.removeUnits(ctx, files); err != nil {
		return err
	}
	return l.writeUnits(ctx, files)
}

// makeFolder makes a folder and those above it, and remembers in the journal,
// before it does, what was not there.
func (l live) makeFolder(j *journal, path string, mode os.FileMode) error {
	missing := durable.Missing(path)
	if len(missing) == 0 {
		return nil
	}
	for _, at := range missing {
		if !slices.Contains(j.Made, at) {
			j.Made = append(j.Made, at)
		}
	}
	slices.SortFunc(j.Made, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	if err := l.save(j); err != nil {
		return err
	}
	return l.FS.MkdirAll(path, mode)
}
