package bootstrap

import (
	"context"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// awaitHealthy waits for one component.
func (r *run) awaitHealthy(ctx context.Context, s plan.AwaitHealthy, w *work) error {
	w.waited = s.Component
	return r.waiter.Wait(ctx, s, await.Listener{
		Seen:     w.tell,
		Note:     func(detail string) { r.note(s, detail) },
		Restarts: func(n int) { r.outcome.Restarts[s.Component] = n },
	})
}
