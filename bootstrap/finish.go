package bootstrap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// finish removes what only a run needs.
func (r *run) finish() error {
	if _, err := manifests.ReleaseAll(r.layout); err != nil {
		return err
	}
	if err := r.stageLaterStarts(); err != nil {
		return err
	}
	if err := r.keepNextPatches(); err != nil {
		return fmt.Errorf("keep the changes for upgrades: %w", err)
	}
	return tidy(r.layout)
}

// stageLaterStarts leaves the list of what is staged when the board starts, where
// there is a systemd unit that puts it back.
func (r *run) stageLaterStarts() error {
	var names []string
	for _, s := range r.journal.Plan.Steps {
		if s, ok := s.(plan.StageManifests); ok {
			names = s.Staged
		}
	}
	if len(names) == 0 {
		return nil
	}
	// Again: an interrupted run may have ended with nothing staged, and without it.
	if err := manifests.InstallUnit(r.layout, r.Program); err != nil {
		return err
	}
	if !manifests.UnitInstalled(r.layout) {
		return nil
	}
	return manifests.WriteBootList(r.layout, names)
}

// putBack releases everything that is staged when a run fails.
func (r *run) putBack() error {
	released, err := manifests.ReleaseAll(r.layout)
	r.outcome.Released = released
	if err != nil {
		return fmt.Errorf("put staged manifests back: %w", err)
	}
	if len(manifests.Staged(r.layout)) == 0 {
		return manifests.RemoveUnit(r.layout)
	}
	return nil
}

// tidy removes what only a run needs. The copy of the configuration with its
// secrets and the lock go before the journal, so that they are never left behind: as
// long as there is a journal, a repeated run comes here again. Another process that takes the
// lock meanwhile finds a run with nothing left to do.
func tidy(l state.Layout) error {
	if err := manifests.RemoveUnit(l); err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	if err := removeUpgrade(l); err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	for _, path := range []string{l.ConfigCopy(), l.ManifestsConfig(), l.ClusterConfig(), l.Lock(), l.Journal()} {
		if err := l.FS.Remove(path); err != nil {
			return fmt.Errorf("tidy up: %w", err)
		}
	}
	removeTemps(l)
	manifests.RemoveFolders(l)
	// Removed only when it is empty.
	_ = os.Remove(l.State())
	return nil
}

// removeUpgrade removes the manifests that an upgrade had written, and patches that only the run
// needed.
func removeUpgrade(l state.Layout) error {
	err := removeFolders(context.Background(), l, l.Upgrade(), l.Upgrade()+"-part", l.Upgrade()+"-pki", l.AllPatches(),
		l.NextPatches())
	if err != nil {
		return err
	}
	return manifests.RemoveIncoming(l)
}

// removeFolders removes those that are there.
func removeFolders(ctx context.Context, l state.Layout, dirs ...string) error {
	for _, dir := range dirs {
		if err := tree.Remove(ctx, l.FS, dir); err != nil {
			return err
		}
	}
	return nil
}

// removeTemps removes what a killed process left of files it was writing: names
// with a leading dot that hold the name of a file of kubeadm-arm's.
func removeTemps(l state.Layout) {
	ours := []string{".journal.json", ".config.yaml", ".manifests-config.yaml", ".cluster-config.yaml"}
	for _, c := range plan.Components() {
		ours = append(ours, "."+c+".yaml")
	}
	for _, dir := range append(l.StagedPlaces(), l.State(), l.Manifests()) {
		entries, err := safefile.List(dir, state.MaxListed)
		if err != nil {
			continue
		}
		for _, e := range entries {
			mine := slices.ContainsFunc(ours, func(start string) bool {
				return strings.HasPrefix(e.Name(), start) && e.Name() != start
			})
			if mine && e.Type().IsRegular() {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}
