package bootstrap

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const (
	kubeletPKI = certs.KubeletPKI
	currentPEM = certs.KubeletClient
)

// kubeletCertificates makes them. What a killed run did of it is done again or
// found done.
func (r *run) kubeletCertificates(s plan.KubeletCertificates) error {
	var err error
	board := certsBoard(r.layout, r.now)
	if s.Client {
		err = board.MoveKubeletClient()
	}
	if s.Serving && err == nil {
		err = board.MakeKubeletServing(r.nodeName())
	}
	if err != nil {
		return fmt.Errorf("make the kubelet's certificates: %w", err)
	}
	return nil
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
