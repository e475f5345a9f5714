package storage

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// exchange swaps two folders in one step, so that no instant sees the name
// without a folder. File systems that cannot do that get two renames over a third
// name.
func (b Board) exchange(one, other string) error {
	err := b.FS.Exchange(one, other)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	aside := other + ".aside"
	if err := b.FS.Rename(one, aside); err != nil {
		return err
	}
	if err := b.FS.Rename(other, one); err != nil {
		return errors.Join(err, b.FS.Rename(aside, one))
	}
	return b.FS.Rename(aside, other)
}

// removeTree removes a copy of ours.
func (b Board) removeTree(path string) error {
	if !durable.Exists(path) {
		return nil
	}
	if err := b.FS.Do("remove", path, func() error { return os.RemoveAll(path) }); err != nil {
		return err
	}
	return b.FS.SyncDir(filepath.Dir(path))
}

// emptyFolder tells whether a folder is there and holds nothing.
func emptyFolder(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}
