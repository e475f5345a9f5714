package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// A guard folder is what lies under a bind mount: it holds a file that says so,
// and is immutable where the file system knows that. etcd cannot begin a database
// in it, kubeadm's preflight finds it not empty, and people find the reason.

const (
	guardFile = "NOT-MOUNTED"
	guardMark = "kubeadm-arm storage"
	// etcdMember is the folder that etcd makes its database in. A file of that
	// name keeps it from doing so also without the immutable flag.
	etcdMember = "member"
	// immutable is FS_IMMUTABLE_FL of <linux/fs.h>, chattr +i.
	immutable = 0x10
)

func guardText(folder, disk string) []byte {
	return []byte(fmt.Sprintf("%s: %s is not mounted.\nIts data lies on %s. Nothing must be begun here.\nSee: kubeadm-arm storage status\n", guardMark, folder, disk))
}

// isGuard tells whether a folder is a guard folder.
func isGuard(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, guardFile))
	return err == nil && strings.HasPrefix(string(text), guardMark)
}

// makeGuard makes a guard folder for folder at path, over the remains of one.
func (b Board) makeGuard(path, folder, disk string, etcd bool) error {
	if err := b.removeGuard(path); err != nil {
		return err
	}
	if err := b.FS.Do("mkdir", path, func() error { return os.Mkdir(path, 0o700) }); err != nil {
		return err
	}
	text := guardText(folder, disk)
	if etcd {
		if err := b.FS.WriteFile(filepath.Join(path, etcdMember), text, 0o444); err != nil {
			return err
		}
	}
	// Last, because it is what a guard folder is known by.
	return b.FS.WriteFile(filepath.Join(path, guardFile), text, 0o444)
}

// removeGuard removes a guard folder or a half of one, and nothing else.
func (b Board) removeGuard(path string) error {
	if !durable.Exists(path) {
		return nil
	}
	if err := b.unprotect(path); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// renameio's temporary files begin with a dot.
		if e.Name() != guardFile && e.Name() != etcdMember && !strings.HasPrefix(e.Name(), "."+guardFile) && !strings.HasPrefix(e.Name(), "."+etcdMember) || !e.Type().IsRegular() {
			return fmt.Errorf("remove %s: it holds %s, which is none of ours", path, e.Name())
		}
	}
	return b.FS.Do("remove", path, func() error {
		// From its mark on it would not be known any more.
		for _, e := range entries {
			if e.Name() != guardFile {
				if err := os.Remove(filepath.Join(path, e.Name())); err != nil {
					return err
				}
			}
		}
		if err := os.Remove(filepath.Join(path, guardFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return os.Remove(path)
	})
}

// protect makes a folder immutable. can is false where its file system does not
// know that.
func (b Board) protect(path string) (can bool, err error) { return b.flag("protect", path, true) }

func (b Board) unprotect(path string) error {
	_, err := b.flag("unprotect", path, false)
	return err
}

// flag sets or clears the immutable flag (ioctl_iflags(2)).
func (b Board) flag(op, path string, on bool) (can bool, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	old, err := unix.IoctlGetUint32(int(dir.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return false, nil // ENOTTY, EOPNOTSUPP: it has no flags
	}
	if old&immutable != 0 == on {
		return true, nil
	}
	can = true
	err = b.FS.Do(op, path, func() error {
		err := unix.IoctlSetPointerInt(int(dir.Fd()), unix.FS_IOC_SETFLAGS, int(old&^immutable|map[bool]uint32{true: immutable}[on]))
		if on && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EPERM)) {
			can = false
			return nil
		}
		if err != nil {
			return &os.PathError{Op: "change the flags of", Path: path, Err: err}
		}
		return nil
	})
	return can, err
}

// protected tells whether a folder is immutable.
func protected(path string) bool {
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	flags, err := unix.IoctlGetUint32(int(dir.Fd()), unix.FS_IOC_GETFLAGS)
	return err == nil && flags&immutable != 0
}
