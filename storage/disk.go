package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// A Change is one change of the board by this package.
type Change struct {
	// Op is write, mkdir, rename, exchange, remove, copy, sync, mount, umount,
	// protect, unprotect, service or reload; Path is what it changes.
	Op, Path string
	// Done says that the change has been made.
	Done bool
}

// A Hook is called before each change and after it. An error from the first call
// takes the place of the change. It is a door for tests, which kill the process
// there or have the disk fail; nil outside of tests.
type Hook func(Change) error

func (b Board) change(op, path string, do func() error) error {
	if b.Hook != nil {
		if err := b.Hook(Change{Op: op, Path: path}); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	if err := do(); err != nil {
		return err
	}
	if b.Hook != nil {
		return b.Hook(Change{Op: op, Path: path, Done: true})
	}
	return nil
}

// writeFile replaces a file in one step, with owner root, and has it on the disk.
func (b Board) writeFile(path string, text []byte, mode fs.FileMode) error {
	err := b.change("write", path, func() error {
		return renameio.WriteFile(path, text, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
	})
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir has a folder's names on the disk. It is no change of its own: killed
// before or after it, the names are the same.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// syncFS has everything on the disk that others wrote to a file system.
func (b Board) syncFS(path string) error {
	return b.change("sync", path, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
	})
}

// mkdirs makes a folder and those above it; made are those that were not there,
// the outermost first.
func (b Board) mkdirs(path string, mode fs.FileMode) (made []string, err error) {
	for at := path; !exists(at); at = filepath.Dir(at) {
		made = append([]string{at}, made...)
	}
	for _, dir := range made {
		err := b.change("mkdir", dir, func() error { return os.Mkdir(dir, mode) })
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return made, err
		}
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return made, err
		}
	}
	return made, nil
}

// rename moves a file or folder and never replaces one.
func (b Board) rename(from, to string) error {
	err := b.change("rename", to, func() error {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			if exists(to) {
				return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
			}
			return os.Rename(from, to)
		}
		if err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// exchange swaps two folders in one step (renameat2(2), RENAME_EXCHANGE), so
// that no instant sees the name without a folder. File systems that cannot do
// that get two renames over a third name.
func (b Board) exchange(one, other string) error {
	err := b.change("exchange", one, func() error {
		err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			aside := other + ".aside"
			if err := os.Rename(one, aside); err != nil {
				return err
			}
			if err := os.Rename(other, one); err != nil {
				return errors.Join(err, os.Rename(aside, one))
			}
			return os.Rename(aside, other)
		}
		if err != nil {
			return &os.LinkError{Op: "exchange", Old: one, New: other, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(one))
}

// remove removes one file or empty folder; none is no error.
func (b Board) remove(path string) error {
	if !exists(path) {
		return nil
	}
	if err := b.change("remove", path, func() error { return os.Remove(path) }); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// removeTree removes a copy of ours.
func (b Board) removeTree(path string) error {
	if !exists(path) {
		return nil
	}
	if err := b.change("remove", path, func() error { return os.RemoveAll(path) }); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// emptyFolder tells whether a folder is there and holds nothing.
func emptyFolder(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}
