package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// A DiskChange is one change of the board's files by this package.
type DiskChange struct {
	// Op is mkdir, write, rename, link, remove, sync or patch; Path is what it
	// changes.
	Op, Path string
	// Done says that the change has been made.
	Done bool
}

// A DiskHook is called before each change and after it. An error from the first
// call takes the place of the change. It is a door for tests, which have the
// disk fail and the process killed there; nil outside of tests.
type DiskHook func(DiskChange) error

// change makes one change under the hook's eyes.
func (l Layout) change(op, path string, do func() error) error {
	if l.Hook != nil {
		if err := l.Hook(DiskChange{Op: op, Path: path}); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	if err := do(); err != nil {
		return err
	}
	if l.Hook != nil {
		return l.Hook(DiskChange{Op: op, Path: path, Done: true})
	}
	return nil
}

// writeFile replaces a file in one step: a temporary file with a leading dot
// beside it, synced, renamed, and the folder synced. A symbolic link at path is
// replaced, not followed.
func (l Layout) writeFile(path string, text []byte, mode fs.FileMode) error {
	err := l.change("write", path, func() error {
		return renameio.WriteFile(path, text, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
	})
	if err != nil {
		return err
	}
	return l.syncDir(filepath.Dir(path))
}

func (l Layout) syncDir(path string) error {
	return l.change("sync", path, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

func (l Layout) remove(path string) error {
	return l.change("remove", path, func() error { return os.Remove(path) })
}

// mkdir makes a folder and those above it, and has them on the disk.
func (l Layout) mkdir(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := l.change("mkdir", path, func() error { return os.MkdirAll(path, mode) }); err != nil {
		return err
	}
	return l.syncDir(filepath.Dir(path))
}

// rename moves a file and never replaces one: what stands at the new place was
// not put there by this run. Where the file system cannot rename under that
// condition it is looked up before.
func (l Layout) rename(from, to string) error {
	return l.change("rename", to, func() error {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			if _, err := os.Lstat(to); err == nil {
				return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
			}
			return os.Rename(from, to)
		}
		if err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		return nil
	})
}

// syncTree has everything on the disk that others wrote below a folder: kubeadm
// itself syncs none of its files. One call for the whole file system costs one
// journal commit instead of one for each of thirty files.
func (l Layout) syncTree(path string) error {
	return l.change("sync", path, func() error {
		dir, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unix.Syncfs(int(dir.Fd())); err != nil {
			return errors.Join(fmt.Errorf("sync the file system of %s: %w", path, err), dir.Close())
		}
		return dir.Close()
	})
}

// openState makes our folder, and refuses one that leads elsewhere or that
// others could write to.
func (l Layout) openState() error {
	if err := l.checkState(); err != nil {
		return err
	}
	if err := l.mkdir(l.State(), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return l.checkState()
}

// checkState is the part of openState that changes nothing. A folder that is not
// there yet is fine.
func (l Layout) checkState() error {
	info, err := os.Lstat(l.State())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the state folder: %w", err)
	}
	if !info.IsDir() {
		return &RefusedError{BadJournal, fmt.Errorf("%s is not a folder but a %s", l.State(), kindOfFile(info.Mode())), "look who made it, and remove it"}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &RefusedError{BadJournal, fmt.Errorf("%s can be written to by others (mode %04o)", l.State(), info.Mode().Perm()), "look what is in it; then: chmod 700 " + l.State()}
	}
	return nil
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsRegular():
		return "file"
	}
	return "special file"
}
