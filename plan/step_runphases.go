package plan

import (
	"fmt"
	"slices"
	"strings"
)

// RunPhases runs phases of the plan's command in one process of the real kubeadm: the
// owner's arguments with every phase skipped that is not in Keep.
type RunPhases struct {
	plain
	Name string   `json:"name"`
	What string   `json:"what"`
	Keep []string `json:"keep"`
	// Ignore are preflight checks that are ignored beside the owner's.
	Ignore []string `json:"ignore,omitempty"`
	// Attempts is how often the phases may run; they are all create-or-update.
	Attempts int `json:"attempts"`
}

// Kind implements Step.
func (RunPhases) Kind() string     { return "runPhases" }
func (s RunPhases) Title() string  { return s.What }
func (s RunPhases) Detail() string { return strings.Join(s.Keep, ", ") }

// headPhases are kubeadm's phases up to the manifests.
func headPhases() []string {
	return []string{"preflight", "certs", "kubeconfig", "etcd", "control-plane"}
}

// kubeletPhase starts the kubelet.
const kubeletPhase = "kubelet-start"

// everyPhase runs kubeadm as its owner would.
func (m *maker) everyPhase() []Step {
	return []Step{RunPhases{Name: "all", What: "run kubeadm " + string(m.p.Command), Keep: m.f.Kubeadm.Phases(m.p.Command),
		Attempts: 1}}
}

// head runs the phases up to the manifests.
func (m *maker) head() []Step {
	return []Step{RunPhases{Name: "head", What: "run kubeadm's phases up to the manifests", Keep: headPhases(),
		Attempts: 1}}
}

// startKubelet runs the one phase that starts it.
func (m *maker) startKubelet() []Step {
	return []Step{RunPhases{Name: "kubelet", What: "start the kubelet", Keep: []string{kubeletPhase}, Attempts: 2}}
}

// rest runs what the head has left out, in kubeadm's own order.
func (m *maker) rest() []Step {
	done := append(m.replacedPhases(), headPhases()...)
	return []Step{RunPhases{Name: "rest", What: "run kubeadm's other phases",
		Keep: m.f.Kubeadm.AllBut(m.p.Command, done...), Attempts: 1}}
}

// remaining runs what is left once the kubelet has started. kubeadm's own wait is left
// out: it comes after ours, and would add its one-minute call and a round of
// handshakes only to learn what is known.
func (m *maker) remaining() []Step {
	const attempts = 5
	done := slices.Concat(headPhases(), []string{kubeletPhase}, m.replacedPhases(), []string{"wait-control-plane"})
	m.decide(GroupStart, "phase wait-control-plane", "skipped",
		"kubeadm-arm has already waited until every component is healthy")
	m.decide(GroupStart, "attempts for the remaining phases", fmt.Sprint(attempts),
		"a request has 10 s in kubeadm's client whatever the config says; all these phases create or update")
	const name = "start of the remaining phases"
	switch {
	case m.order.beside:
		m.decide(GroupStart, name, "while "+strings.Join(m.order.last, " and ")+" start", "they mostly wait for answers")
	case m.order.stages(APIServer):
		m.decide(GroupStart, name, "as soon as the API server is healthy",
			"they need nothing else, and take longer beside a controller-manager that reads all the cluster has")
	}
	return []Step{RunPhases{Name: "tail", What: "run kubeadm's remaining phases",
		Keep: m.f.Kubeadm.AllBut(m.p.Command, done...), Attempts: attempts}}
}
