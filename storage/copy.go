package storage

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// copyTree is [tree.Copy] where there is room. Nothing may be at to.
func (b Board) copyTree(ctx context.Context, from, to string) (tree.Fingerprint, error) {
	if durable.Exists(to) {
		return tree.Fingerprint{}, fmt.Errorf("copy %s to %s: %w", from, to, fs.ErrExist)
	}
	if err := room(ctx, from, to); err != nil {
		return tree.Fingerprint{}, err
	}
	return tree.Copy(ctx, b.FS, b.Run, from, to)
}

// syncFS has on the disk what was written to the file system of a folder. A slow disk
// takes minutes for it.
func (b Board) syncFS(ctx context.Context, path string) error {
	_, err := safefile.Wait(ctx, func() (struct{}, error) { return struct{}{}, b.FS.SyncFS(path) })
	return err
}

// room refuses to begin a copy that cannot end for want of space. A tenth is
// kept free: a full disk would stop etcd.
func room(ctx context.Context, from, to string) error {
	bytes, files, err := tree.Usage(ctx, from)
	if err != nil {
		return err
	}
	dir := filepath.Dir(to)
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("ask for the space at %s: %w", dir, err)
	}
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // narrower on some architectures
	if need := bytes + bytes/10; need > free {
		return &RefusedError{TooSmall, fmt.Errorf("%s holds %s, and at %s only %s are free: %w", from, size(bytes), dir,
			size(free), syscall.ENOSPC), "choose a larger disk, or make room on it"}
	}
	if s.Files > 0 && files > int64(s.Ffree) {
		return &RefusedError{TooSmall, fmt.Errorf("%s has %d files, and at %s there are inodes for %d only: %w", from,
			files, dir, s.Ffree, syscall.ENOSPC), "choose another disk, or make its file system anew with more inodes"}
	}
	return nil
}

// size is a number of bytes for people.
func size(n int64) string {
	f, unit := float64(n), "bytes"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
