package bootstrap

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
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
// and runs already: then kubeadm has nothing left to do in it that this program does not do as
// well, and running it again would fail, because the Node of this name is Ready.
func (r *run) bootstrapped(s plan.RunPhases) bool {
	if len(s.Keep) > 0 && !slices.Contains(s.Keep, "kubelet-start") {
		return false
	}
	conf := r.layout.KubeletConf()
	_, _, whole := kubeconfigCA(conf)
	return r.joins() && !r.wasThere(conf) && whole && durable.Exists(r.layout.At(currentPEM)) && r.kubeletStarted()
}

// kubeletStarted reports whether kubeadm has started the kubelet: it stops it before it writes
// the kubelet's configuration and flags (cmd/kubeadm/app/cmd/phases/join/kubelet.go).
func (r *run) kubeletStarted() bool {
	for _, path := range []string{r.layout.KubeletConfig(), r.layout.KubeletFlags()} {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 { // empty after a power cut
			return false
		}
	}
	_, runs := r.waiter.Processes.Newest("kubelet")
	return runs
}

// configureInit writes the configuration for initPhase: the cluster's, and this node's. startup
// is the timeout that startup probes follow, 0 for kubeadm's.
func (r *run) configureInit(cluster *kubeadm.Config, startup time.Duration) error {
	version, err := kubeadm.ParseVersion(cluster.Cluster("kubernetesVersion"))
	if err != nil {
		return err
	}
	node, err := r.ownNode()
	if err != nil {
		return err
	}
	config, err := kubeadm.ManifestsConfig(cluster, version, node, startup, "")
	if err != nil {
		return err
	}
	return r.layout.FS.WriteFile(r.layout.ManifestsConfig(), config, 0o600)
}

// initPhase runs a phase of kubeadm init that a join has none for.
func (r *run) initPhase(ctx context.Context, w *work, phase ...string) error {
	args := append([]string{"init", "phase"}, phase...)
	_, err := r.runKubeadm(ctx, w, append(args, "--config="+r.layout.ManifestsConfig()))
	return err
}

var securePort = regexp.MustCompile(`--secure-port=(\d+)`)

// ownNode is the node with the address and the port that kubeadm has chosen for its API server.
func (r *run) ownNode() (kubeadm.NodeOfUpgrade, error) {
	for _, path := range r.manifestPlaces(plan.APIServer) {
		text, err := safefile.Read(path, state.MaxFile)
		address, port := advertised.FindSubmatch(text), securePort.FindSubmatch(text)
		if err != nil || address == nil || port == nil {
			continue
		}
		n, err := strconv.Atoi(string(port[1]))
		return kubeadm.NodeOfUpgrade{Name: r.nodeName(), AdvertiseAddress: string(address[1]), BindPort: n}, err
	}
	return kubeadm.NodeOfUpgrade{}, errors.New("find the board's address: the API server's manifest does not name it")
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
