package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// DurablePatches returns the patches that an earlier run wrote, by file name; none is
// no error.
func DurablePatches(l state.Layout) (map[string][]byte, error) {
	all, err := ReadPatches(l.Patches())
	if err != nil {
		return nil, fmt.Errorf("read the board's patches: %w", err)
	}
	return all, nil
}

// ReadPatches returns the files of a folder of patches, by name. It follows links to files, as
// kubeadm does; that the folder is not there is no error.
func ReadPatches(dir string) (map[string][]byte, error) {
	entries, err := safefile.List(dir, state.MaxListed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if all[e.Name()], err = safefile.Read(path, state.MaxFile); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// RemovePatches removes the patches for kubeadm that are ours by their names.
func RemovePatches(l state.Layout) (removed []string, err error) {
	entries, err := safefile.List(l.Patches(), state.MaxListed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "-kubeadm-arm") {
			path := filepath.Join(l.Patches(), e.Name())
			if err := l.FS.Remove(path); err != nil {
				return removed, err
			}
			removed = append(removed, path)
		}
	}
	_ = os.Remove(l.Patches())
	return removed, nil
}
