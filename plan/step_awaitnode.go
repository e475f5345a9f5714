package plan

import (
	"fmt"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// AwaitNode waits until the board's kubelet has its certificate and its Node is Ready, for
// as long as something moves.
type AwaitNode struct {
	plain
	// Quiet, Patience and Restarts are the limits of bootstrap's watch; Restarts are the
	// kubelet's.
	Quiet    time.Duration `json:"quietNanoseconds"`
	Patience time.Duration `json:"patienceNanoseconds"`
	Restarts int           `json:"restarts"`
	// Network is how long a Node that lacks only a pod network is waited for.
	Network time.Duration `json:"networkNanoseconds"`
	// Poll is the time between two looks.
	Poll time.Duration `json:"pollNanoseconds"`
	// NoteSocket says that the container runtime is to be noted on the Node where kubeadm
	// has not come to it.
	NoteSocket bool `json:"noteSocket,omitempty"`
}

// Kind implements Step.
func (AwaitNode) Kind() string  { return "awaitNode" }
func (AwaitNode) Title() string { return "wait for the Node" }

// Detail implements Step.
func (s AwaitNode) Detail() string {
	return fmt.Sprintf("its certificate, the Node, Ready; given up when nothing new comes for %s, or after "+
		"%d restarts of the kubelet", text.Duration(s.Patience), s.Restarts)
}

// Check implements Step.
func (s AwaitNode) Check() error {
	return checkWait(s.Restarts, limit{"quiet", s.Quiet}, limit{"patience", s.Patience}, limit{"network", s.Network},
		limit{"poll", s.Poll})
}

// awaitNode waits with the kubelet's own credentials, which may read its Node.
func (m *maker) awaitNode() []Step {
	return []Step{AwaitNode{
		Quiet:    max(2*time.Minute, roundUp(seconds(10*m.slowdown), 10*time.Second)),
		Patience: max(joinPatience, m.startBudget()), Restarts: 10, Network: 90 * time.Second,
		Poll: max(time.Second, m.poll()), NoteSocket: !m.f.Kubeadm.Has(kubeadm.BootstrapWait),
	}}
}
