package bootstrap

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
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
	for _, dir := range []string{to, part} {
		if !durable.Exists(dir) {
			continue
		}
		if err := tree.Remove(ctx, r.layout.FS, dir); err != nil {
			return fmt.Errorf("write the new manifests: %w", err)
		}
	}
	if err := r.layout.FS.MkdirAll(part, 0o700); err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	version, err := kubeadm.ParseVersion(s.Version)
	if err != nil {
		return err
	}
	config, err := kubeadm.ManifestsConfig(r.Cluster, version, s.Node, s.Startup, r.Patches)
	if err != nil {
		return err
	}
	file := r.layout.ManifestsConfig()
	if err := r.layout.FS.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("write the new manifests: %w", err)
	}
	local := s.All[0] == plan.Etcd
	err = kubeadm.InPlaceOf(part, r.layout.Manifests(), func() error {
		for _, args := range r.Behaviour.ManifestsCommands(r.Cluster, file, r.Patches, local) {
			res, err := r.Runner(ctx, kubeadm.Command{Path: r.Kubeadm, Args: args, Env: r.Env,
				Output: kubeadm.PhaseLines(w.tell, r.Output), Signal: r.Signal})
			r.outcome.KubeadmCPU += res.CPU
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
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
