package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// FolderError says why the disk under a folder could not be measured.
// errors.Is finds ENOSPC, EACCES, EROFS and the like in it.
type FolderError struct {
	Op     string // such as "create a file in"
	Folder string
	Err    error
}

func (e *FolderError) Error() string {
	return fmt.Sprintf("measure the disk: %s %s: %v", e.Op, e.Folder, e.Err)
}

func (e *FolderError) Unwrap() error { return e.Err }

// Full reports whether the file system or the owner's quota is exhausted.
func (e *FolderError) Full() bool {
	return errors.Is(e.Err, unix.ENOSPC) || errors.Is(e.Err, unix.EDQUOT)
}

// Hint is advice for people, one line without a full stop.
func (e *FolderError) Hint() string {
	switch {
	case e.Full():
		return fmt.Sprintf("free %d MB there or name another folder", (spanBytes+1<<20-1)>>20)
	case errors.Is(e.Err, os.ErrNotExist):
		return "create the folder first or name one that exists"
	case errors.Is(e.Err, os.ErrPermission):
		return "run as root or name a folder that you may write to"
	case errors.Is(e.Err, unix.EROFS):
		return "the file system is mounted read-only: look for disk errors in dmesg, or remount it"
	}
	return ""
}

// withoutPath is the cause alone: a FolderError names the path itself.
func withoutPath(err error) error {
	var inner *os.PathError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// filePrefix begins with a dot so that whatever watches the folder for
// manifests does not look at our file.
const filePrefix = ".kubeadm-arm-bench-"

// spanBytes is the size of the file that is measured in: some 4500 of etcd's
// appends, and enough for random writes to be random.
const spanBytes = 10 << 20

// scratch is the file that is measured in. It keeps its name until the end,
// though a nameless one could never be left behind: btrfs does nothing at all
// for an fsync of a nameless file and f2fs does far too much.
//
// A file that a killed process left is found by its lock: nobody holds it.
type scratch struct {
	folder string
	file   *os.File
	once   sync.Once
	err    error
}

func newScratch(folder string) (*scratch, error) {
	fail := func(op string, err error) (*scratch, error) {
		return nil, &FolderError{op, folder, withoutPath(err)}
	}
	info, err := os.Stat(folder)
	if err != nil {
		return fail("look at", err)
	}
	if !info.IsDir() {
		return fail("look at", unix.ENOTDIR)
	}
	removeStale(folder)
	file, err := os.CreateTemp(folder, filePrefix)
	if err != nil {
		return fail("create a file in", err)
	}
	s := &scratch{folder: folder, file: file}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && !errors.Is(err, unix.ENOTSUP) &&
		!errors.Is(err, unix.ENOSYS) {
		s.remove()
		return fail("lock a file in", err)
	}
	// etcd preallocates its log, so that an append changes no metadata but the
	// extent's state. File systems that cannot do that append as they can.
	err = retryInterrupted(func() error { return unix.Fallocate(int(file.Fd()), 0, 0, spanBytes) })
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		s.remove()
		return fail("reserve space in", err)
	}
	return s, nil
}

// removePatience is how long tidying up waits for a disk that hangs.
const removePatience = 2 * time.Second

// remove takes the name away and closes the file, once. It may be called while
// another goroutine still waits for the disk.
func (s *scratch) remove() error {
	s.once.Do(func() {
		finished := make(chan error, 1)
		go func() {
			err := os.Remove(s.file.Name())
			s.file.Close()
			finished <- err
		}()
		select {
		case err := <-finished:
			if !errors.Is(err, os.ErrNotExist) { // else the owner tidied up meanwhile
				s.err = err
			}
		case <-time.After(removePatience):
			s.err = fmt.Errorf("the disk under %s hangs, so this file may be left behind: %s", filepath.Dir(s.file.Name()),
				s.file.Name())
		}
	})
	return s.err
}

// append writes at an offset and waits until the disk has it.
func (s *scratch) append(data []byte, offset int64) error {
	if _, err := s.file.WriteAt(data, offset); err != nil {
		return &FolderError{"write to a file in", s.folder, withoutPath(err)}
	}
	if err := s.sync(); err != nil {
		return &FolderError{"fdatasync a file in", s.folder, err}
	}
	return nil
}

// sync is fdatasync(2), on a file that another goroutine may close meanwhile.
func (s *scratch) sync() error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		result = retryInterrupted(func() error { return unix.Fdatasync(int(fd)) })
	})
	return errors.Join(err, result)
}

// removeStale removes the files of earlier runs that were killed. That it may
// fail is of no interest here: creating our own file fails for the same reason.
func removeStale(folder string) {
	entries, err := safefile.List(folder, maxListed)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), filePrefix) || !entry.Type().IsRegular() {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		file, err := os.OpenFile(name, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(name)
		}
		file.Close()
	}
}

// describe reports what lies under a folder, and a warning when that is no disk.
func describe(folder string) (Folder, []Warning, error) {
	f := Folder{Path: folder}
	var stat unix.Statfs_t
	err := retryInterrupted(func() error { return unix.Statfs(folder, &stat) })
	if err != nil {
		return f, nil, &FolderError{"look at the file system of", folder, err}
	}
	f.Free = stat.Bavail * uint64(stat.Bsize)
	f.FileSystem = fileSystemName(int64(stat.Type))
	switch f.FileSystem {
	case "tmpfs", "ramfs":
		return f, []Warning{{WarnInMemory, folder + " lies in memory (" + f.FileSystem +
			"): its figures say nothing about a disk"}}, nil
	}
	return f, nil, nil
}

// fileSystemName translates the magic numbers of statfs(2).
func fileSystemName(magic int64) string {
	switch uint32(magic) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4" // and ext2, ext3: they share the number
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.MSDOS_SUPER_MAGIC:
		return "vfat"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	}
	return fmt.Sprintf("0x%x", uint32(magic))
}

// NearestFolder returns path, or the closest folder above it that exists:
// where the folder would be made. Before the first start of etcd its data
// folder is not there yet.
func NearestFolder(path string) string {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && info.IsDir() || path == filepath.Dir(path) {
			return path
		}
	}
}

func retryInterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
