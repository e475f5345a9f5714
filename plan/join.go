package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// MakeJoin plans `kubeadm-arm join` of a worker.
func MakeJoin(f Facts) Plan {
	m := newMaker(kubeadm.Join, f)
	m.noteSlowdown()
	m.newerKubeadm()
	m.joinConfig()
	// Of this board's keys only that of the kubelet's serving certificate is chosen here.
	m.ecdsa = f.Speed.HandshakeRSA <= 0 || f.Speed.HandshakeECDSA < f.Speed.HandshakeRSA
	m.p.Steps = slices.Concat(
		m.tuneServices(),
		m.kubeletCertificates(),
		m.joinPhases(),
		m.awaitNode(),
	)
	return m.p
}

// joinPatience is the least time for which kubeadm is to ask for a cluster that does not
// answer: what answers may be a board that has only just been switched on, and is slower
// than this one.
const joinPatience = 15 * time.Minute

// joinConfig decides what is added to the copy of JoinConfiguration. There always is one,
// because then no process has the token among its arguments.
func (m *maker) joinConfig() {
	api := m.f.Config.API()
	if api == "" {
		api = m.f.Kubeadm.ConfigWrite()
	}
	c := &ConfigPlan{API: api, Translate: true}
	switch {
	case kubeadm.IsExperimental(api):
		m.warn("the config is kubeadm.k8s.io/v1, which is experimental: it is passed on as it is, without longer timeouts")
		m.p.Config = c
		return
	case m.f.NoConfig != "":
		m.warn("kubeadm's own timeouts stay as they are, and its arguments hold the token: " + m.f.NoConfig)
		return
	}
	m.p.Config = c
	m.housekeeping(c)
	const slower = "the board that answers may be slower than this one, or may have only just been switched on"
	patience := max(joinPatience, m.startBudget())
	if !kubeadm.HasTimeouts(api) {
		m.timeout(m.f.Config, c, RaisedTimeout{Path: []string{"discovery", "timeout"}, AtLeast: patience},
			slower+"; this config API has no other timeout, so kubeadm is run again where it gives up")
		return
	}
	for _, t := range []struct {
		field string
		value time.Duration
		why   string
	}{
		{"discovery", patience, slower},
		{"kubernetesAPICall", max(5*time.Minute, m.startBudget()), slower},
		{"kubeletHealthCheck", max(4*time.Minute, roundUp(2*m.apiServerStart, time.Minute)),
			"the kubelet starts while nothing else does"},
		{"tlsBootstrap", patience, "another board's controller-manager has to approve and to sign"},
	} {
		m.timeout(m.f.Config, c, RaisedTimeout{Path: []string{"timeouts", t.field}, AtLeast: t.value}, t.why)
	}
}

// waitBootstrap is the phase that waits for the kubelet's certificate.
const waitBootstrap = "kubelet-wait-bootstrap"

// joinPhases runs kubeadm join. It asks the cluster for several things only once, so it is
// run again, without its preflight, which would fail at what the first run left.
func (m *maker) joinPhases() []Step {
	const attempts = 5
	m.decide(GroupStart, "attempts for kubeadm join", fmt.Sprint(attempts),
		"some of its requests are made once, with 10 s; what it has made is no obstacle without its preflight")
	keep := m.f.Kubeadm.Phases(kubeadm.Join)
	if m.ownBootstrapWait() {
		m.decide(GroupStart, "phase "+waitBootstrap, "skipped", "own waiting by progress sees the same, and has no deadline")
		keep = slices.DeleteFunc(slices.Clone(keep), func(p string) bool { return p == waitBootstrap })
	}
	return []Step{RunPhases{Name: "join", What: "run kubeadm join", Keep: keep, Attempts: attempts}}
}

// ownBootstrapWait reports whether kubeadm's phase only waits, and can be left out.
func (m *maker) ownBootstrapWait() bool {
	return m.f.Kubeadm.Has(kubeadm.BootstrapWait) && !m.f.Kubeadm.Nearest
}
