package bootstrap

import (
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// releaseManifest puts a manifest back.
func (r *run) releaseManifest(s plan.ReleaseManifest) error {
	return manifests.Release(r.layout, s.Component)
}
