package storage

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

const (
	lockFolder = "/run/kubeadm-arm-storage"
	lockPath   = lockFolder + "/lock"
)

// lockAfter takes the lock. What is refused without looking twice leaves no trace,
// not even of the lock, unless another run may be at work.
func lockAfter(check func() error) (unlock func(), err error) {
	if !durable.Exists(lockPath) {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return lock()
}

// lock keeps two runs apart. Its file lies in a folder that root alone can enter:
// a lock on anything that others can open could be held by anybody (flock(2)). The
// kernel drops it when the process ends.
func lock() (unlock func(), err error) {
	if err := os.Mkdir(lockFolder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make the folder of the lock: %w", err)
	}
	dir, err := openFolder(lockFolder)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the lock: %w", err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return nil, err
	}
	if owner(info) != 0 || info.Mode().Perm()&0o077 != 0 {
		return nil, unfit("see who made it; then: rm -r "+lockFolder, "%s is not root's alone (mode %04o, user %d)",
			lockFolder, info.Mode().Perm(), owner(info))
	}
	fd, err := unix.Openat(int(dir.Fd()), "lock",
		unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", lockPath, err)
	}
	file := os.NewFile(uintptr(fd), lockPath)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &RefusedError{Locked, errors.New("another kubeadm-arm storage is at work on this board"),
				"wait for it, or end it with Ctrl-C where it runs"}
		}
		return nil, fmt.Errorf("lock %s: %w", lockPath, err)
	}
	return func() { file.Close() }, nil
}
