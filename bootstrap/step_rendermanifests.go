package bootstrap

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// renderManifests has kubeadm write manifests into a folder that stands in the place of
// the kubelet's, for that kubeadm only. They are what `kubeadm upgrade apply` would write,
// and it leaves equal ones alone.
func (r *run) renderManifests(ctx context.Context, s plan.RenderManifests, w *work) error {
	to := r.layout.At(s.To)
	part := to + "-part"
	if s.Anew {
		if err := r.patchesAnew(ctx, s, part, w); err != nil {
			return err
		}
	}
	if err := removeFolders(ctx, r.layout, to, part); err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	if err := r.render(ctx, s, part, r.Patches, w); err != nil {
		return err
	}
	for _, c := range s.All {
		if err := checkRendered(filepath.Join(part, c+".yaml"), c, s.Version); err != nil {
			return err
		}
	}
	if err := r.layout.FS.SyncFS(part); err != nil {
		return err
	}
	return r.layout.FS.Rename(part, to)
}

// render has kubeadm write them with a folder of patches, empty for none.
func (r *run) render(ctx context.Context, s plan.RenderManifests, into, patches string, w *work) error {
	if err := r.layout.FS.MkdirAll(into, 0o700); err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	version, err := kubeadm.ParseVersion(s.Version)
	if err != nil {
		return err
	}
	config, err := kubeadm.ManifestsConfig(r.Cluster, version, s.Node, s.Startup, patches)
	if err != nil {
		return err
	}
	file := r.layout.ManifestsConfig()
	if err := r.layout.FS.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	local := s.All[0] == plan.Etcd
	return kubeadm.InPlaceOf(into, r.layout.Manifests(), func() error {
		for _, args := range r.Behaviour.ManifestsCommands(r.Cluster, file, patches, local) {
			if _, err := r.runKubeadm(ctx, w, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// patchesAnew makes the board's patches anew: kubeadm writes the manifests without them, and
// what the settings change there becomes the patches.
func (r *run) patchesAnew(ctx context.Context, s plan.RenderManifests, part string, w *work) error {
	next := r.layout.NextPatches()
	if err := removeFolders(ctx, r.layout, part, next, r.layout.AllPatches()); err != nil {
		return fmt.Errorf("make the patches anew: %w", err)
	}
	if err := r.render(ctx, s, part, r.OwnersPatches, w); err != nil {
		return err
	}
	if err := r.layout.FS.MkdirAll(next, 0o755); err != nil {
		return fmt.Errorf("make the patches anew: %w", err)
	}
	for _, c := range s.All {
		settings, ok := s.Settings[c]
		if !ok {
			continue
		}
		if err := r.findPatches(part, c, settings, next); err != nil {
			return err
		}
	}
	if err := r.unitePatches(next, r.OwnersPatches); err != nil {
		return fmt.Errorf("make the patches anew: %w", err)
	}
	return nil
}

// keepNextPatches has patches that were made anew take the place of the old ones.
func (r *run) keepNextPatches() error {
	next := r.layout.NextPatches()
	if r.journal.Plan.GoesBack || !durable.Exists(next) {
		return nil
	}
	all, err := manifests.ReadPatches(next)
	if err != nil {
		return err
	}
	if _, err := manifests.RemovePatches(r.layout); err != nil {
		return err
	}
	for name, text := range all {
		if err := r.layout.FS.MkdirAll(r.layout.Patches(), 0o755); err != nil {
			return err
		}
		if err := r.layout.FS.WriteFile(filepath.Join(r.layout.Patches(), name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkRendered checks that a new manifest is complete and of the right version.
func checkRendered(path, component, version string) error {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	if _, err := patch.Inspect(text); err != nil {
		return fmt.Errorf("write the new manifests: %s: %w", path, err)
	}
	if m := imageTag.FindSubmatch(text); component != plan.Etcd && (m == nil || string(m[1]) != version) {
		return fmt.Errorf("write the new manifests: kubeadm wrote one of %s that is not of %s", component, version)
	}
	return nil
}
