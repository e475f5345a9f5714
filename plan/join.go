package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// MakeJoin plans `kubeadm-arm join`: of a worker, or of another control plane. Then Config of
// [Facts] has the cluster's own configuration beside the owner's.
func MakeJoin(f Facts) Plan {
	m := newMaker(kubeadm.Join, f)
	controlPlane := m.joinsControlPlane()
	if controlPlane {
		m.board()
	} else {
		m.noteSlowdown()
		m.newerKubeadm()
	}
	m.joinConfig()
	// Of this board's keys only that of the kubelet's serving certificate is chosen here.
	m.ecdsa = f.Speed.HandshakeRSA <= 0 || f.Speed.HandshakeECDSA < f.Speed.HandshakeRSA
	if controlPlane {
		m.p.Steps = m.joinControlPlane()
		return m.p
	}
	m.p.Steps = slices.Concat(
		m.tuneServices(),
		m.kubeletCertificates(),
		m.joinPhases(),
		m.awaitNode(),
	)
	return m.p
}

// joinsControlPlane reports whether the board is to be another control plane, and kubeadm
// can be taken apart for it: the owner skips none of the phases that staging wraps.
func (m *maker) joinsControlPlane() bool {
	if !kubeadm.JoinsControlPlane(m.f.Config, m.f.Args) {
		return false
	}
	for _, phase := range slices.Concat(joinHead(), []string{kubeletPhase}, etcdPhases()) {
		if m.skipped(phase) && phase != "preflight" && phase != "check-etcd" {
			m.warn("the owner skips the phase " + phase + ": kubeadm joins the control plane in its own order")
			return false
		}
	}
	return true
}

// joinControlPlane is the list of what the join of another control plane does. kubeadm starts
// all components before its etcd has joined, so they fail and are started again and again.
func (m *maker) joinControlPlane() []Step {
	components := m.controlPlane()
	m.order = order{kind: stagedOrder, first: m.localEtcd(), staged: components, last: components}
	m.decide(GroupStart, StagedStart, "on", "kubeadm starts the API server before etcd has joined: it cannot connect, "+
		"exits after 20 s, and the kubelet waits up to five minutes before it starts it again")
	m.decide(GroupStart, "release order", strings.Join(slices.Concat(m.order.first, components), ", "),
		"each needs the one before it; the cluster has a scheduler and a controller-manager already, so these wait longest")
	if m.slow {
		m.decideStarting()
	}
	m.decideLaterStarts(m.order, "the API server may be late then, too")
	m.fewMembers()
	patches := m.patchManifests()
	settings := patches[0].(PatchManifests).Settings
	etcd := settings[Etcd]
	delete(settings, Etcd) // has no manifest yet
	return slices.Concat(
		m.tuneServices(),
		m.prepareControlPlane(),
		m.kubeletCertificates(),
		patches,
		m.stageManifests(),
		[]Step{RunPhases{Name: "kubelet", What: "start the kubelet", Keep: []string{kubeletPhase}, Attempts: joinAttempts}},
		m.joinEtcd(etcd),
		m.await(m.order.first...),
		m.start(APIServer),
		m.awaitNode(),
		m.markControlPlane(),
		m.start(slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == APIServer })...),
	)
}

// fewMembers says what two members are worth.
func (m *maker) fewMembers() {
	switch {
	case len(m.localEtcd()) == 0 || m.f.Members > 1:
	case m.f.Members == 1:
		m.warn("this makes two etcd members, which are worse than one: each write waits for both, and when either is off, " +
			"both stop; join a third control plane soon")
	default:
		m.warn("two etcd members are worse than one: each write waits for both, and when either is off, both stop; have " +
			"one or three")
	}
}

// joinHead are the phases of join up to the manifests.
func joinHead() []string { return []string{"preflight", "control-plane-prepare", "check-etcd"} }

// joinAttempts is how often a part of kubeadm join may run.
const joinAttempts = 5

// prepareControlPlane fetches the cluster's certificates and writes the board's own,
// kubeconfigs and manifests.
func (m *maker) prepareControlPlane() []Step {
	return []Step{RunPhases{Name: "head", What: "run kubeadm's phases up to the manifests", Keep: m.kept(joinHead()...),
		Attempts: joinAttempts}}
}

// markControlPlane runs what is left of kubeadm join.
func (m *maker) markControlPlane() []Step {
	m.decide(GroupStart, "attempts for each part of kubeadm join", fmt.Sprint(joinAttempts),
		"some of its requests are made once, with 10 s; all these phases create or update")
	done := slices.Concat(joinHead(), []string{kubeletPhase, "wait-control-plane"}, etcdPhases())
	if m.ownBootstrapWait() {
		done = append(done, waitBootstrap)
	}
	m.decide(GroupStart, "kubeadm's own waiting", "skipped",
		"kubeadm-arm waits for the same, for as long as there is progress")
	return []Step{RunPhases{Name: "tail", What: "run kubeadm's remaining phases",
		Keep: m.f.Kubeadm.AllBut(kubeadm.Join, done...), Attempts: joinAttempts}}
}

// kept are those of some phases that this kubeadm has.
func (m *maker) kept(phases ...string) []string {
	has := m.f.Kubeadm.Phases(m.p.Command)
	return slices.DeleteFunc(phases, func(p string) bool { return !slices.Contains(has, p) })
}

// joinPatience is the least time for which kubeadm is to ask for a cluster that does not
// answer: what answers may be a board that has only just been switched on, and is slower
// than this one.
const joinPatience = 15 * time.Minute

// joinConfig decides what is added to the copy of JoinConfiguration. There always is one,
// because then no process has the token among its arguments.
func (m *maker) joinConfig() {
	api := m.f.Config.OwnAPI()
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
	patience := max(joinPatience, m.startBudget())
	if !kubeadm.HasTimeouts(api) {
		m.timeout(m.f.Config, c, RaisedTimeout{Path: []string{"discovery", "timeout"}, AtLeast: patience},
			slower+"; this config API has no other timeout, so kubeadm is run again where it gives up")
		return
	}
	all := []timeoutValue{
		{"discovery", patience, slower},
		m.callToOthers(),
		{"kubeletHealthCheck", max(4*time.Minute, roundUp(2*m.apiServerStart, time.Minute)),
			"the kubelet starts while nothing else does"},
		{"tlsBootstrap", patience, "another board's controller-manager has to approve and to sign"},
	}
	if kubeadm.JoinsControlPlane(m.f.Config, m.f.Args) {
		all = append(all,
			timeoutValue{"controlPlaneComponentHealthCheck", m.startBudget(), "the startup probes follow it"},
			timeoutValue{"etcdAPICall", max(5*time.Minute, m.startBudget()),
				"etcd has to start here, and to catch up with members that may be slower"})
	}
	for _, t := range all {
		m.timeout(m.f.Config, c, RaisedTimeout{Path: []string{"timeouts", t.field}, AtLeast: t.value}, t.why)
	}
}

const slower = "the board that answers may be slower than this one, or may have only just been switched on"

// callToOthers is the time for an answer from another board.
func (m *maker) callToOthers() timeoutValue {
	return timeoutValue{"kubernetesAPICall", max(5*time.Minute, m.startBudget()), slower}
}

// waitBootstrap is the phase that waits for the kubelet's certificate.
const waitBootstrap = "kubelet-wait-bootstrap"

// joinPhases runs kubeadm join. It asks the cluster for several things only once, so it is
// run again, without its preflight, which would fail at what the first run left.
func (m *maker) joinPhases() []Step {
	m.decide(GroupStart, "attempts for kubeadm join", fmt.Sprint(joinAttempts),
		"some of its requests are made once, with 10 s; what it has made is no obstacle without its preflight")
	keep := m.f.Kubeadm.Phases(kubeadm.Join)
	if m.ownBootstrapWait() {
		m.decide(GroupStart, "phase "+waitBootstrap, "skipped",
			"kubeadm-arm waits for the same, for as long as there is progress")
		keep = slices.DeleteFunc(slices.Clone(keep), func(p string) bool { return p == waitBootstrap })
	}
	return []Step{RunPhases{Name: "join", What: "run kubeadm join", Keep: keep, Attempts: joinAttempts}}
}

// ownBootstrapWait reports whether kubeadm's phase only waits, and can be left out.
func (m *maker) ownBootstrapWait() bool {
	return m.f.Kubeadm.Has(kubeadm.BootstrapWait) && !m.f.Kubeadm.Nearest
}
