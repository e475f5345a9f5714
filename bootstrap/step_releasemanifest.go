package bootstrap

import (
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// releaseManifest puts a manifest back.
func (r *run) releaseManifest(s plan.ReleaseManifest) error {
	return r.layout.release(s.Component)
}
