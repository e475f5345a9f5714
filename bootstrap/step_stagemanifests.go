package bootstrap

import (
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// stageManifests moves manifests out of the kubelet's folder, once there is a unit that
// puts them back when the board starts.
func (r *run) stageManifests(s plan.StageManifests) error {
	if err := manifests.InstallUnit(r.layout, r.Program); err != nil {
		return err
	}
	for _, c := range s.Staged {
		if err := manifests.Stage(r.layout, c); err != nil {
			return err
		}
	}
	return nil
}

// CheckProgram refuses a plan for which root's units would have to name a program
// that others can replace. program is that of [Options]. It changes nothing.
func CheckProgram(l state.Layout, p plan.Plan, program func() (string, error)) error {
	stages := slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		_, ok := s.(plan.StageManifests)
		return ok
	})
	if !stages {
		return nil
	}
	return manifests.CheckProgram(l, program)
}

// releaseManifest puts a manifest back.
func (r *run) releaseManifest(s plan.ReleaseManifest) error {
	return manifests.Release(r.layout, s.Component)
}
