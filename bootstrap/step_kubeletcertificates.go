package bootstrap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const (
	kubeletPKI = certs.KubeletPKI
	currentPEM = certs.KubeletClient
)

// kubeletCertificates makes them. What a killed run did of it is done again or
// found done.
func (r *run) kubeletCertificates(ctx context.Context, s plan.KubeletCertificates, w *work) error {
	var err error
	board := certsBoard(r.layout, r.now)
	switch {
	case s.Client && r.joins():
		err = r.signKubeletCertificate(ctx, s, w)
	case s.Client:
		err = board.MoveKubeletClient(certs.KubeletConf)
	}
	if s.Serving && err == nil {
		err = board.MakeKubeletServing(r.nodeName())
	}
	if err != nil {
		return fmt.Errorf("make the kubelet's certificates: %w", err)
	}
	return nil
}

// signKubeletCertificate makes the kubelet.conf of a joining control plane, which a join of
// kubeadm's leaves to the kubelet. kubeadm writes it in place, so it does that elsewhere:
// kubelet.conf is whole as soon as it is there. Without the cluster's key the kubelet asks.
func (r *run) signKubeletCertificate(ctx context.Context, s plan.KubeletCertificates, w *work) error {
	made := filepath.Join(r.layout.Upgrade(), filepath.Base(r.layout.KubeletConf()))
	if err := r.discard(made); err != nil { // it may be torn
		return err
	}
	if _, _, whole := kubeconfigCA(r.layout.KubeletConf()); whole {
		return nil
	}
	if r.Cluster == nil || !durable.Exists(filepath.Join(r.certificates(), "ca.key")) {
		r.note(s, "the kubelet asks the cluster for its client certificate: the cluster's key is not on this board")
		return nil
	}
	c, err := r.Cluster.Clone()
	if err != nil {
		return err
	}
	if kubeadm.HasTimeouts(c.API()) { // else there is no such field
		c.SetCluster(c.API(), "ECDSA-P256", "encryptionAlgorithm") // which the kubelet would take, too
	}
	if err := r.layout.FS.MkdirAll(filepath.Dir(made), 0o700); err != nil {
		return err
	}
	if err := r.configureInit(c, 0); err != nil {
		return err
	}
	if err := r.initPhase(ctx, w, "kubeconfig", "kubelet", "--kubeconfig-dir="+filepath.Dir(made)); err != nil {
		return err
	}
	onBoard := filepath.Join("/", strings.TrimPrefix(made, r.layout.Root))
	if err := certsBoard(r.layout, r.now).MoveKubeletClient(onBoard); err != nil {
		return err
	}
	return r.discard(made)
}

// discard removes a file, if it is there.
func (r *run) discard(path string) error {
	if !durable.Exists(path) {
		return nil
	}
	return r.layout.FS.Remove(path)
}

func certsBoard(l state.Layout, now func() time.Time) certs.Board {
	return certs.Board{Root: l.Root, FS: l.FS, Now: now}
}

func (r *run) nodeName() string { return NodeName(r.Config, r.Args) }

// NodeName is the name that kubeadm gives the node
// (cmd/kubeadm/app/util/config/initconfiguration.go).
func NodeName(c *kubeadm.Config, args kubeadm.Args) string {
	name, given := args.Get("node-name")
	if !given {
		name = c.Own("nodeRegistration", "name")
	}
	if name == "" {
		name, _ = os.Hostname()
	}
	return strings.ToLower(strings.TrimSpace(name))
}

// removeServingCertificate takes back what a run that changed nothing else has made.
func removeServingCertificate(l state.Layout, j *journal.Journal) error {
	made := slices.ContainsFunc(j.Plan.Steps[:j.Done], func(s plan.Step) bool {
		step, ok := s.(plan.KubeletCertificates)
		return ok && step.Serving
	})
	if !made {
		return nil
	}
	return certsBoard(l, nil).RemoveKubeletServing()
}
