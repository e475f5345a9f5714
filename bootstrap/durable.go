package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// writeDurable lays a component's changes down as patches for kubeadm, where
// its version knows patches.
func (r *run) writeDurable(component string, changes []patch.Change) error {
	if !strings.HasSuffix(r.Behaviour.Value(kubeadm.PatchesRoute), "patches") {
		return nil
	}
	for name, text := range patch.Durable(component, changes) {
		if err := r.layout.FS.MkdirAll(r.layout.Patches(), 0o755); err != nil {
			return fmt.Errorf("keep the changes for upgrades: %w", err)
		}
		path := filepath.Join(r.layout.Patches(), name)
		if err := r.layout.FS.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("keep the changes for upgrades: %w", err)
		}
	}
	return nil
}

// DurablePatches returns the patches that an earlier run laid down, by file
// name; none is no error.
func (l Layout) DurablePatches() (map[string][]byte, error) {
	entries, err := safefile.List(l.Patches(), maxListed)
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
		text, err := safefile.Read(filepath.Join(l.Patches(), e.Name()), maxFile)
		if err != nil {
			return nil, fmt.Errorf("read the board's patches: %w", err)
		}
		all[e.Name()] = text
	}
	return all, nil
}
