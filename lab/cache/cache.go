// Package cache is the folder in which builds, downloads and boards are kept, and the way
// in which files come into it: whole or not at all, by one process.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// Dir is where downloads, builds and boards are kept: outside every
// checkout, so that a second run starts in seconds.
func Dir() (string, error) {
	if dir := os.Getenv("KUBEADM_ARM_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kubeadm-arm"), nil
	}
	home := os.Getenv("HOME")
	if home == "" {
		// Continuous integration often has no HOME.
		u, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		home = u.HomeDir
	}
	return filepath.Join(home, ".cache", "kubeadm-arm"), nil
}

// Folder makes and returns a folder below the cache.
func Folder(parts ...string) (string, error) {
	base, err := Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{base}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return dir, nil
}

// Lock waits until no other lab holds the lock file, and returns what releases
// it. The kernel releases it when this process ends in any way.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	said := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !said {
			progress.Log("waiting for another lab that holds %s", path)
			said = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Once makes a file through make unless it is there. It appears whole or not
// at all.
func Once(path string, make func(to string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	tmp := path + ".new"
	if err := make(tmp); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return os.Rename(tmp, path)
}

// Replace has a file written beside its place, so that it is whole there or
// the old one stays.
func Replace(path string, write func(to string) error) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := write(tmp); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), removeIfThere(tmp))
	}
	return os.Rename(tmp, path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// IsDir reports whether there is a folder at path.
func IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Exists reports whether there is something at path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
