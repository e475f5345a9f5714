package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// A Board is the doors to the machine that the package works on.
type Board struct {
	Run runner.Func
	// FS changes its files.
	FS  durable.FS
	Now func() time.Time
	// Tell gets a line about what is being done; nil is silent.
	Tell func(line string)
	// Program is the path by which systemd starts this program; if it is empty,
	// there are no drop-ins.
	Program string
	// Identity is what tells this board from others; nil has it read from the
	// hardware.
	Identity func() string
	// DeviceWait is how long looking at the disks may take; 0 is half a minute.
	DeviceWait time.Duration
	// Grace is how long a run may go on putting things in order once its context has
	// ended; 0 is eight seconds. What it does not come to is left to the next run.
	Grace time.Duration
}

func (b Board) grace() time.Duration {
	if b.Grace > 0 {
		return b.Grace
	}
	return 8 * time.Second
}

func (b Board) tell(format string, args ...any) {
	if b.Tell != nil {
		b.Tell(fmt.Sprintf(format, args...))
	}
}

const (
	fstabPath = "/etc/fstab"
	// stateFolder is not below /etc/kubernetes, which kubeadm reset empties.
	stateFolder = "/var/lib/kubeadm-arm"
	journalPath = stateFolder + "/storage.json"
	// DefaultMount is where the disk is mounted unless the request says otherwise.
	DefaultMount = "/mnt/root"
)

// siblingPath is a name for kubeadm-arm's use in the same folder.
func siblingPath(path, what string) string {
	return filepath.Join(filepath.Dir(path), ".kubeadm-arm-"+what+"-"+filepath.Base(path))
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

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
	dir, err := tree.OpenFolder(lockFolder)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the lock: %w", err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return nil, err
	}
	if owner(info) != 0 || info.Mode().Perm()&0o077 != 0 {
		return nil, unsuitable("see who made it; then: rm -r "+lockFolder, "%s is not root's alone (mode %04o, user %d)",
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
			return nil, &RefusedError{Locked, errors.New("another kubeadm-arm storage is running on this board"),
				"wait for it, or end it with Ctrl-C where it runs"}
		}
		return nil, fmt.Errorf("lock %s: %w", lockPath, err)
	}
	return func() { file.Close() }, nil
}
