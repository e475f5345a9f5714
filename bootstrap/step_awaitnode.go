package bootstrap

import (
	"context"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// awaitNode waits for the board's Node.
func (r *run) awaitNode(ctx context.Context, s plan.AwaitNode, w *work) error {
	missing, err := r.waiter.Node(ctx, s, r.nodeName(), await.Listener{Seen: w.tell})
	if missing != "" {
		r.note(s, "the Node becomes Ready once it has a pod network: "+printable.Brief(missing))
	}
	return err
}
