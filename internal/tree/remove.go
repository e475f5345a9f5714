package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// A CrossedError is a removal that came to a mount point. Nothing was removed.
type CrossedError struct{ Path string }

func (e *CrossedError) Error() string {
	return e.Path + " is a mount point: what is mounted there is not removed"
}

// Hint says what can be done.
func (e *CrossedError) Hint() string {
	return "unmount it: umount " + shell.InQuotes(e.Path) + "; then repeat"
}

// Remove removes a folder with all that is in it, on its own mount only: a
// mount point inside, be it a bind mount of the same file system, has it refused
// before anything is removed. Each folder is entered by a descriptor whose mount
// is looked at (proc_pid_fdinfo(5), mnt_id), so that a mount made meanwhile is not
// entered either, and links are not followed. It ends with the context.
func Remove(ctx context.Context, fs durable.FS, path string) error {
	if !durable.Exists(path) {
		return nil
	}
	err := fs.Do("remove", path, func() error {
		for _, act := range []func(parent *os.File, name string, folder bool) error{
			func(*os.File, string, bool) error { return nil },
			removeName,
		} {
			err := walkMount(path, func(parent *os.File, name string, folder bool) error {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return act(parent, name, folder)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(path))
}

func removeName(parent *os.File, name string, folder bool) error {
	flags := 0
	if folder {
		flags = unix.AT_REMOVEDIR
	}
	err := unix.Unlinkat(int(parent.Fd()), name, flags)
	if errors.Is(err, unix.EBUSY) {
		return &CrossedError{filepath.Join(parent.Name(), name)}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: filepath.Join(parent.Name(), name), Err: err}
	}
	return nil
}

// walkMount visits path and all below it, what is in a folder before the folder.
func walkMount(path string, visit func(parent *os.File, name string, folder bool) error) error {
	parent, err := OpenFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	id, err := mountID(parent)
	if err != nil {
		return err
	}
	return walkBelow(parent, filepath.Base(path), id, visit)
}

func walkBelow(parent *os.File, name, mount string, visit func(*os.File, string, bool) error) error {
	path := filepath.Join(parent.Name(), name)
	// O_PATH enters no device and no FIFO, and shows what is mounted on a file.
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	at := os.NewFile(uintptr(fd), path)
	defer at.Close()
	id, err := mountID(at)
	if err != nil {
		return err
	}
	if id != mount {
		return &CrossedError{path}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	folder := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	if folder {
		if err := walkEntries(at, mount, visit); err != nil {
			return err
		}
	}
	return visit(parent, name, folder)
}

// walkEntries visits what is in a folder that is open by O_PATH.
func walkEntries(at *os.File, mount string, visit func(*os.File, string, bool) error) error {
	fd, err := unix.Openat(int(at.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: at.Name(), Err: err}
	}
	dir := os.NewFile(uintptr(fd), at.Name())
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, name := range names {
		if err := walkBelow(dir, name, mount, visit); err != nil {
			return err
		}
	}
	return nil
}

// mountID is the number of the mount that an open file lies on.
func mountID(f *os.File) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", fmt.Errorf("%s: the kernel does not report which mount it lies on (Linux 3.15 does)", f.Name())
}

// IsEmpty reports whether a folder is there and holds nothing.
func IsEmpty(path string) bool {
	dir, err := OpenFolder(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(1)
	return len(names) == 0 && errors.Is(err, io.EOF)
}

// OpenFolder opens a folder and nothing else, and follows no link.
func OpenFolder(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}
