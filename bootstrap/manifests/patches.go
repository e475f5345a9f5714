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
	entries, err := safefile.List(l.Patches(), state.MaxListed)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the board's patches: %w", err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		text, err := safefile.Read(filepath.Join(l.Patches(), e.Name()), state.MaxFile)
		if err != nil {
			return nil, fmt.Errorf("read the board's patches: %w", err)
		}
		all[e.Name()] = text
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
