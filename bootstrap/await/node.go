package await

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// nodePatience is how long one request to the API server may take: it may be on a board
// that is slower than this one.
const nodePatience = 30 * time.Second

// A NodeError says that waiting for the Node was given up, and what was seen last.
type NodeError struct{ Node, Why string }

func (e *NodeError) Error() string {
	return fmt.Sprintf("wait for the Node %s: gave up: %s", e.Node, e.Why)
}

// Hint says what can be done.
func (e *NodeError) Hint() string { return "read the kubelet's log with: journalctl -u kubelet" }

// nodeWait is one wait for the Node.
type nodeWait struct {
	*Waiter
	step plan.AwaitNode
	name string
	api  *cluster.Client
	// seen is what was seen last, in words.
	seen string
	// bare is when the Node was first seen to lack nothing but a pod network.
	bare time.Time
	node cluster.Node
}

// Node waits until the board's kubelet has its certificate and its Node is Ready, or lacks
// only a pod network; then missing says so. All is seen on this board or asked for with the
// kubelet's own credentials. The error is a [*NodeError] when nothing moves any more.
func (a *Waiter) Node(ctx context.Context, s plan.AwaitNode, name string, l Listener) (missing string, err error) {
	n := &nodeWait{Waiter: a, step: s, name: name}
	defer n.close()
	limits := Limits{Quiet: s.Quiet, Patience: s.Patience, Restarts: s.Restarts}
	w := newWatch(limits, a.Now(), n.look(ctx, Observation{}))
	for {
		o := n.look(ctx, w.last)
		if err := ctx.Err(); err != nil {
			return "", err
		}
		switch verdict := w.judge(a.Now(), o); {
		case verdict == Healthy:
			return "", n.finish(ctx)
		case !n.bare.IsZero() && a.Now().Sub(n.bare) >= s.Network:
			return n.node.Reason, n.finish(ctx)
		case verdict == GiveUp:
			return "", &NodeError{name, strings.Replace(w.why, w.describe(), n.seen, 1)}
		}
		l.Seen(n.seen)
		if err := Sleep(ctx, s.Poll); err != nil {
			return "", err
		}
	}
}

// look goes through what has to come, one after the other. Each is a check that passed.
func (n *nodeWait) look(ctx context.Context, last Observation) Observation {
	var o Observation
	if p, ok := n.Processes.Again("kubelet", linux.Process{PID: last.PID, Started: last.Started}); ok {
		o.Running, o.PID, o.Started, o.CPU = true, p.PID, p.Started, p.CPU
	}
	for _, rung := range []struct {
		name, missing string
		reached       func(context.Context) bool
	}{
		{"kubelet", "the kubelet does not run", func(context.Context) bool { return o.Running }},
		{"certificate", "the kubelet waits for its certificate",
			func(context.Context) bool { return durable.Exists(n.Layout.KubeletConf()) }},
		{"API server", "", n.ask},
		{"Node", "the kubelet has its certificate, and the Node is not there yet",
			func(context.Context) bool { return n.node.Found }},
		{"Ready", "", n.ready},
	} {
		if rung.missing != "" {
			n.seen = rung.missing
		}
		if !rung.reached(ctx) {
			return o
		}
		o.Health.Reach = ReachHTTP
		o.Health.Passed = append(o.Health.Passed, rung.name)
	}
	o.Health.Reach = ReachHealthy
	return o
}

// ask asks for the Node with the kubelet's credentials.
func (n *nodeWait) ask(ctx context.Context) bool {
	if n.api == nil {
		text, err := safefile.Read(n.Layout.KubeletConf(), state.MaxFile)
		if err == nil {
			n.api, err = cluster.FromKubeconfig(text, n.Layout.At, nodePatience)
		}
		if err != nil {
			n.seen = "kubelet.conf is not complete yet"
			return false
		}
	}
	node, err := n.api.Node(ctx, n.name)
	if err != nil {
		n.seen = "the API server: " + printable.Brief(err.Error())
		// The certificate may have been renewed, and another one in its place.
		n.close()
		return false
	}
	n.node = node
	return true
}

// ready reports whether the Node is Ready, and notes since when only a pod network lacks.
func (n *nodeWait) ready(context.Context) bool {
	n.seen = "the Node is there, not Ready yet"
	if n.node.Reason != "" {
		n.seen += ": " + printable.Brief(n.node.Reason)
	}
	switch bare := lacksNetwork(n.node.Reason); {
	case n.node.Ready || !bare:
		n.bare = time.Time{}
	case n.bare.IsZero():
		n.bare = n.Now()
	}
	return n.node.Ready
}

// lacksNetwork reads the kubelet's words for a node without a CNI configuration
// (pkg/kubelet/container/runtime.go).
func lacksNetwork(reason string) bool {
	return strings.Contains(reason, "NetworkReady=false") || strings.Contains(reason, "cni config uninitialized")
}

// finish does the rest of kubeadm's last phase: the token is removed from the disk, and the
// Node gets the annotation that names its container runtime.
func (n *nodeWait) finish(ctx context.Context) error {
	if socket := runtimeSocket(n.Layout); n.step.NoteSocket && n.node.Socket == "" && socket != "" {
		if err := n.api.NoteSocket(ctx, n.name, socket); err != nil {
			return fmt.Errorf("note the container runtime on the Node: %w", err)
		}
	}
	path := n.Layout.BootstrapConf()
	if !durable.Exists(path) {
		return nil
	}
	return n.Layout.FS.Remove(path)
}

var endpointFlag = regexp.MustCompile(`--container-runtime-endpoint=("?)(\S+?)("?)(\s|"|$)`)

// runtimeSocket is the one that kubeadm has given the kubelet, empty where it has not.
func runtimeSocket(l state.Layout) string {
	text, err := safefile.Read(l.KubeletFlags(), state.MaxFile)
	if err != nil {
		return ""
	}
	if m := endpointFlag.FindSubmatch(text); m != nil {
		return string(m[2])
	}
	return ""
}

func (n *nodeWait) close() {
	if n.api != nil {
		n.api.Close()
		n.api = nil
	}
}
