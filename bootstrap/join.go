package bootstrap

import (
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// joins reports whether the run is a join.
func (r *run) joins() bool { return r.journal.Plan.Command == kubeadm.Join }

// joinsControlPlane reports whether that is of another control plane.
func (r *run) joinsControlPlane() bool {
	return r.joins() && kubeadm.JoinsControlPlane(r.Config, r.Args)
}

// bootstrapped reports whether a join's step is to start a kubelet that has its certificate
// already: then kubeadm has nothing left to do in it that this program does not do as well, and
// running it again would fail, because the Node of this name is Ready.
func (r *run) bootstrapped(s plan.RunPhases) bool {
	if len(s.Keep) > 0 && !slices.Contains(s.Keep, "kubelet-start") {
		return false
	}
	conf := r.layout.KubeletConf()
	_, _, whole := kubeconfigCA(conf)
	return r.joins() && !r.wasThere(conf) && whole && durable.Exists(r.layout.At(currentPEM))
}

// joinLeft are the files that an interrupted join leaves, and at which kubeadm's preflight
// fails when it is run again.
func joinLeft(l state.Layout) []string {
	return []string{l.KubeletConf(), l.BootstrapConf(), l.CACert()}
}

// pastPreflight is the step without kubeadm's preflight where a join has got past it.
func (r *run) pastPreflight(s plan.RunPhases) plan.RunPhases {
	left := func(path string) bool { return durable.Exists(path) && !r.wasThere(path) }
	if r.joins() && slices.ContainsFunc(joinLeft(r.layout), left) {
		s.Keep = slices.DeleteFunc(slices.Clone(s.Keep), func(p string) bool { return p == "preflight" })
	}
	return s
}

// tornJoin lists what an interrupted join left half written. bootstrap-kubelet.conf is always
// written anew.
func (r *run) tornJoin() (torn []string) {
	if _, _, whole := kubeconfigCA(r.layout.KubeletConf()); !whole {
		torn = append(torn, r.layout.KubeletConf())
	}
	if readCertificate(r.layout.CACert()) == nil {
		torn = append(torn, r.layout.CACert())
	}
	return torn
}

// leftByJoin are the preflight checks that an interrupted join makes fail, for kubeadms
// whose join has no phases to skip.
func leftByJoin() []string {
	return []string{"FileAvailable--etc-kubernetes-kubelet.conf", "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf",
		"FileAvailable--etc-kubernetes-pki-ca.crt", "Port-10250"}
}
