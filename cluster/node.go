package cluster

import (
	"context"
	"net/url"
	"time"

	core "k8s.io/api/core/v1"
)

// Node is what is read of a Node object.
type Node struct {
	Found bool
	// Ready and Reason are the condition Ready's: whether, and why not.
	Ready  bool
	Reason string
	// Since is when that last changed.
	Since time.Time
	// Socket is the container runtime's, as kubeadm notes it.
	Socket string
}

// SocketAnnotation is where kubeadm notes a Node's container runtime
// (cmd/kubeadm/app/constants).
const SocketAnnotation = "kubeadm.alpha.kubernetes.io/cri-socket"

func nodePath(name string) string { return "/api/v1/nodes/" + url.PathEscape(name) }

// Node asks for a Node; that there is none is no error.
func (c *Client) Node(ctx context.Context, name string) (Node, error) {
	var n core.Node
	switch err := c.Get(ctx, nodePath(name), &n); {
	case IsStatus(err, 404):
		return Node{}, nil
	case err != nil:
		return Node{}, err
	}
	found := Node{Found: true, Socket: n.Annotations[SocketAnnotation]}
	for _, condition := range n.Status.Conditions {
		if condition.Type == core.NodeReady {
			found.Ready, found.Reason = condition.Status == core.ConditionTrue, condition.Message
			found.Since = condition.LastTransitionTime.Time
		}
	}
	return found, nil
}

// NoteSocket notes a Node's container runtime as kubeadm does.
func (c *Client) NoteSocket(ctx context.Context, name, socket string) error {
	return c.Merge(ctx, nodePath(name), map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{SocketAnnotation: socket}},
	})
}
