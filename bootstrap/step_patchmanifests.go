package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// patchManifests brings the manifests to their settings. Those that are not there, such
// as an external etcd's, are left out.
func (r *run) patchManifests(s plan.PatchManifests) error {
	for _, c := range plan.Components() {
		settings, ok := s.Settings[c]
		if !ok {
			continue
		}
		path := r.layout.Manifest(c)
		patched, err := patch.Prepare(path, settings)
		if errors.Is(err, os.ErrNotExist) {
			continue // external etcd, or a phase that the owner skips
		}
		if err != nil {
			return err
		}
		// First, so that a run that ends between the two does not lose them.
		if err := r.writeDurable(c, patched.Changes); err != nil {
			return err
		}
		if err := r.layout.FS.Do("patch", path, patched.Write); err != nil {
			return err
		}
		r.outcome.Changes[c] = patched.Changes
	}
	return nil
}

// writeDurable lays a component's changes down as patches for kubeadm, where
// its version knows patches.
func (r *run) writeDurable(component string, changes []patch.Change) error {
	if _, ok := r.Behaviour.PatchesFlag(); !ok {
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
