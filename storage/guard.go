package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// A guard folder is what lies under a bind mount: it holds a file that says so,
// and is immutable where the file system knows that. etcd cannot begin a database
// in it, kubeadm's preflight finds it not empty, and people find the reason.
//
// What is in a folder never makes it a guard folder: anybody may write such a
// file, and backups restore it. It is known by what the journal recorded when it
// was made.

const (
	guardFile = "NOT-MOUNTED"
	// etcdMember is the folder that etcd makes its database in. A file of that
	// name keeps it from doing so also without the immutable flag.
	etcdMember = "member"
	// guardAttribute holds the token. Attributes of this class belong to processes
	// with CAP_SYS_ADMIN (xattr(7)).
	guardAttribute = "trusted.kubeadm-arm.guard"
	// immutable is FS_IMMUTABLE_FL of <linux/fs.h>, chattr +i.
	immutable = 0x10
)

// guardID is what a guard folder is known by.
type guardID struct {
	// Token is in its attribute; empty where the file system has none of these.
	Token string `json:"token,omitempty"`
	// Inode and Birth, in nanoseconds since 1970, are those of the folder; Birth is
	// 0 where the file system does not record it (statx(2)).
	Inode uint64 `json:"inode,omitempty"`
	Birth int64  `json:"birth,omitempty"`
	// Unrecorded says that a program made it which recorded none of this.
	Unrecorded bool `json:"unrecorded,omitempty"`
}

func guardText(folder, disk string) []byte {
	return []byte(fmt.Sprintf("kubeadm-arm storage: %s is not mounted.\nIts data lies on %s. Nothing must be begun "+
		"here.\n"+
		"See: kubeadm-arm storage status\n", folder, disk))
}

// identify reads a folder's inode and time of birth.
func identify(path string) (guardID, error) {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &s)
	if errors.Is(err, unix.ENOSYS) { // before Linux 4.11
		var old unix.Stat_t
		err = unix.Lstat(path, &old)
		return guardID{Inode: uint64(old.Ino)}, err //nolint:unconvert // narrower on some architectures
	}
	id := guardID{Inode: s.Ino}
	if s.Mask&unix.STATX_BTIME != 0 {
		id.Birth = s.Btime.Sec*1e9 + int64(s.Btime.Nsec)
	}
	return id, err
}

// isGuard reports whether a folder is f's guard folder, and holds nothing else.
func (j *journal) isGuard(f *folder, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || owner(info) != 0 || !onlyGuardFiles(path) {
		return false
	}
	switch {
	case f.Guard.Unrecorded:
		return j.oldGuard(f, path)
	case f.Guard.Token != "":
		value := make([]byte, 64)
		n, err := unix.Lgetxattr(path, guardAttribute, value)
		return err == nil && string(value[:n]) == f.Guard.Token
	}
	id, err := identify(path)
	return err == nil && f.Guard.Inode != 0 && id == f.Guard
}

// onlyGuardFiles reports whether nothing is in a folder that a guard folder has
// not. renameio's temporary files begin with a dot.
func onlyGuardFiles(path string) bool {
	entries, err := safefile.List(path, 10)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name(), ".")
		ours := e.Name() == guardFile || e.Name() == etcdMember ||
			name != e.Name() && (strings.HasPrefix(name, guardFile) || strings.HasPrefix(name, etcdMember))
		if !ours || !e.Type().IsRegular() {
			return false
		}
	}
	return true
}

// oldGuard knows the guard folder of a program that recorded nothing: the journal
// says that there is one, root made it, word for word, and where nothing was under
// way it is immutable, which no backup restores.
func (j *journal) oldGuard(f *folder, path string) bool {
	file := filepath.Join(path, guardFile)
	info, err := os.Lstat(file)
	if err != nil || owner(info) != 0 || info.Size() > 4096 {
		return false
	}
	text, err := safefile.Read(file, 4096)
	if err != nil || string(text) != string(guardText(f.Path, "UUID="+j.UUID)) {
		return false
	}
	_, can := flags(path)
	return j.Doing != "" || !can || protected(path)
}

// makeGuard makes f's guard folder. Its identity is in the journal, by save,
// before there is anything in it. One that a killed run began is finished.
func (b Board) makeGuard(j *journal, f *folder, path string, save func() error) error {
	if !j.isGuard(f, path) || f.Guard.Unrecorded {
		if err := b.removeGuard(path); err != nil {
			return err
		}
		if err := b.FS.Do("mkdir", path, func() error { return os.Mkdir(path, 0o700) }); err != nil {
			return err
		}
		id, err := identify(path)
		if err != nil {
			return err
		}
		token := rand.Text()
		if unix.Lsetxattr(path, guardAttribute, []byte(token), 0) == nil {
			id.Token = token
		}
		f.Guard = id
		if err := save(); err != nil {
			return err
		}
	}
	text := guardText(f.Path, "UUID="+j.UUID)
	files := []string{guardFile}
	if f.Etcd {
		files = []string{etcdMember, guardFile}
	}
	for _, name := range files {
		if at := filepath.Join(path, name); !durable.Exists(at) {
			if err := b.FS.WriteFile(at, text, 0o444); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGuard removes a guard folder or a half of one. It refuses a folder that
// holds anything else, and never goes deeper than the folder itself.
func (b Board) removeGuard(path string) error {
	if !durable.Exists(path) {
		return nil
	}
	if !onlyGuardFiles(path) {
		return fmt.Errorf("remove the guard folder %s: it holds other files", path)
	}
	if err := b.unprotect(path); err != nil {
		return err
	}
	err := b.FS.Do("remove", path, func() error {
		entries, err := safefile.List(path, 10)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.Remove(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	return b.FS.SyncDir(filepath.Dir(path))
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
	dir, err := tree.OpenFolder(path)
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
		value := old &^ immutable
		if on {
			value |= immutable
		}
		err := unix.IoctlSetPointerInt(int(dir.Fd()), unix.FS_IOC_SETFLAGS, int(value))
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

// flags reads the flags of a folder; can is false where it has none.
func flags(path string) (flags uint32, can bool) {
	dir, err := tree.OpenFolder(path)
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	flags, err = unix.IoctlGetUint32(int(dir.Fd()), unix.FS_IOC_GETFLAGS)
	return flags, err == nil
}

// protected reports whether a folder is immutable.
func protected(path string) bool {
	f, _ := flags(path)
	return f&immutable != 0
}
