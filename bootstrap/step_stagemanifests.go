package bootstrap

import (
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// stageManifests moves manifests out of the kubelet's sight, once there is a unit that
// puts them back when the board starts.
func (r *run) stageManifests(s plan.StageManifests) error {
	if err := r.layout.installUnit(r.Program); err != nil {
		return err
	}
	for _, c := range s.Staged {
		if err := r.layout.stage(c); err != nil {
			return err
		}
	}
	return nil
}
