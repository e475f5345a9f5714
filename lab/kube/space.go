package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// What a build needs below GOCACHE, and a bundle below --out, in bytes: v1.37.2
// took 3 GB and half a GB.
const (
	buildSpace  = 5 << 30
	bundleSpace = 1 << 30
)

// NoSpaceError says that a disk is too full.
type NoSpaceError struct {
	dir        string
	need, free uint64
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("a build needs %.0f GB free in %s, there are %.1f GB", float64(e.need)/(1<<30), e.dir,
		float64(e.free)/(1<<30))
}

// IsBuilt reports whether all programs of a target are in the cache. pause is the
// last that is built.
func IsBuilt(t Target) bool {
	dir, err := cache.Folder("programs", t.String())
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "pause"))
	return err == nil
}

// EnoughBuildSpace looks where go and lab keep what they build.
func EnoughBuildSpace(ctx context.Context) error {
	cache, err := cache.Dir()
	if err != nil {
		return err
	}
	out, err := goCommand(ctx, os.TempDir(), "env", "GOCACHE").Output()
	if err != nil {
		return fmt.Errorf("ask go for its cache: %w", err)
	}
	for _, dir := range []string{cache, strings.TrimSpace(string(out))} {
		if err := enoughSpace(dir, buildSpace); err != nil {
			return err
		}
	}
	return nil
}

// enoughSpace looks at the file system of the nearest folder that is there.
func enoughSpace(dir string, need uint64) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var fs unix.Statfs_t
	for at := dir; ; at = filepath.Dir(at) {
		err := unix.Statfs(at, &fs)
		if errors.Is(err, unix.ENOENT) && at != filepath.Dir(at) {
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for the free space of %s: %w", at, err)
		}
		break
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return &NoSpaceError{dir, need, free}
	}
	return nil
}
