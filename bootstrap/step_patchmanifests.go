package bootstrap

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
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
		if err := r.writeDurable(r.layout.Patches(), c, patched.Changes); err != nil {
			return err
		}
		if err := r.layout.FS.Do("patch", path, patched.Write); err != nil {
			return err
		}
		r.outcome.Changes[c] = patched.Changes
	}
	return nil
}

// findPatches writes the patches that bring a component's manifest in one folder to its settings
// into another, and leaves the manifest.
func (r *run) findPatches(rendered, component string, settings patch.Settings, to string) error {
	patched, err := patch.Prepare(filepath.Join(rendered, component+".yaml"), settings)
	if err != nil {
		return err
	}
	r.outcome.Changes[component] = patched.Changes
	return r.writeDurable(to, component, patched.Changes)
}

// writeDurable lays a component's changes down in a folder as patches for kubeadm, where
// its version knows patches.
func (r *run) writeDurable(dir, component string, changes []patch.Change) error {
	if _, ok := r.Behaviour.PatchesFlag(); !ok {
		return nil
	}
	for name, text := range patch.Durable(component, changes) {
		if err := r.layout.FS.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("keep the changes for upgrades: %w", err)
		}
		path := filepath.Join(dir, name)
		if err := r.layout.FS.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("keep the changes for upgrades: %w", err)
		}
	}
	return nil
}

// unitePatches copies folders of patches into one, which kubeadm gets. One that is not there, or
// whose name is empty, is left out. What the owner's set, ours leave alone.
func (r *run) unitePatches(dirs ...string) error {
	all := map[string][]byte{}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		patches, err := manifests.ReadPatches(dir)
		if err != nil {
			return err
		}
		maps.Copy(all, patches)
	}
	to := r.layout.AllPatches()
	if err := r.layout.FS.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for name, text := range all {
		if err := r.layout.FS.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
