// Package durable makes changes of files that survive a power cut: each is done
// in one step and is on the disk, folder included, when the call returns. A test
// can have any of them fail, or end the process before or after it.
//
// It is not for files below /proc, /sys or /run, which no power cut survives.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// A Change is one change of the board's files.
type Change struct {
	// Op is what is done: mkdir, write, rename, exchange, remove, sync (one
	// folder), syncfs (a whole file system), or a caller's own word.
	Op string
	// Path is what it changes.
	Path string
	// Done says that the change has been made.
	Done bool
}

// A Hook is called before each change and after it. An error from the first call
// takes the place of the change. Tests use it to have the disk fail or to kill
// the process.
type Hook func(Change) error

// FS changes files. The zero value is ready for use.
type FS struct {
	// Hook is nil outside of tests.
	Hook Hook
}

// Do makes a change of the caller's own between the two calls of the hook.
func (f FS) Do(op, path string, do func() error) error {
	if f.Hook != nil {
		if err := f.Hook(Change{Op: op, Path: path}); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	if err := do(); err != nil {
		return err
	}
	if f.Hook != nil {
		return f.Hook(Change{Op: op, Path: path, Done: true})
	}
	return nil
}

// WriteFile replaces a file in one step: a temporary file with a leading dot
// beside it, synced, renamed, and the folder synced. A symbolic link at path is
// replaced, not followed.
func (f FS) WriteFile(path string, text []byte, mode fs.FileMode) error {
	err := f.Do("write", path, func() error {
		return renameio.WriteFile(path, text, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
	})
	if err != nil {
		return err
	}
	return f.SyncDir(filepath.Dir(path))
}

// SyncDir has the names in a folder on the disk (fsync(2): a file's own fsync
// does not cover its entry in the folder).
func (f FS) SyncDir(path string) error {
	return f.Do("sync", path, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

// SyncFS has everything on the disk that was written to the file system of a
// folder (syncfs(2)), also by other programs. One call costs one commit of the
// file system's journal, instead of one for each file.
func (f FS) SyncFS(path string) error {
	return f.Do("syncfs", path, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := unix.Syncfs(int(dir.Fd())); err != nil {
			return errors.Join(fmt.Errorf("sync the file system of %s: %w", path, err), dir.Close())
		}
		return dir.Close()
	})
}

// Missing lists the folders that MkdirAll would make for path, outermost first.
func Missing(path string) []string {
	var missing []string
	for at := path; !Exists(at); at = filepath.Dir(at) {
		missing = append(missing, at)
	}
	slices.Reverse(missing)
	return missing
}

// MkdirAll makes a folder and those above it.
func (f FS) MkdirAll(path string, mode fs.FileMode) error {
	for _, dir := range Missing(path) {
		err := f.Do("mkdir", dir, func() error { return os.Mkdir(dir, mode) })
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := f.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// Rename moves a file or folder and never replaces one. The new place is synced
// first: after a power cut it may be found at both, never at none. Where the
// file system cannot rename under that condition it is looked up before.
func (f FS) Rename(from, to string) error {
	err := f.Do("rename", to, func() error {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if unsupported(err) {
			if Exists(to) {
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
	return f.syncBoth(to, from)
}

// syncBoth syncs the folders of two names, the first one first.
func (f FS) syncBoth(first, second string) error {
	if err := f.SyncDir(filepath.Dir(first)); err != nil || filepath.Dir(first) == filepath.Dir(second) {
		return err
	}
	return f.SyncDir(filepath.Dir(second))
}

// Exchange swaps two names in one step (renameat2(2), RENAME_EXCHANGE). The
// error is [errors.ErrUnsupported] where the file system cannot do that, and
// nothing has been changed then.
func (f FS) Exchange(one, other string) error {
	err := f.Do("exchange", one, func() error {
		err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
		if unsupported(err) {
			err = errors.ErrUnsupported
		}
		if err != nil {
			return &os.LinkError{Op: "exchange", Old: one, New: other, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.syncBoth(one, other)
}

// unsupported reports whether renameat2 or its flag is unknown: to the kernel, or
// to the file system.
func unsupported(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) }

// Remove removes a file or an empty folder. That there is none is no error.
func (f FS) Remove(path string) error {
	if !Exists(path) {
		return nil
	}
	err := f.Do("remove", path, func() error { return os.Remove(path) })
	if err != nil {
		return err
	}
	return f.SyncDir(filepath.Dir(path))
}

// Exists reports whether a name is there. Symbolic links are not followed.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
