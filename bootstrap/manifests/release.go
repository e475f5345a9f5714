package manifests

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// ReleaseOptions are for [ReleaseInOrder].
type ReleaseOptions struct {
	Layout state.Layout
	// Wait says to release each component once those before it are healthy, or
	// after Patience without that.
	Wait     bool
	Patience time.Duration
	Poll     time.Duration
	Tell     func(string)
	Now      func() time.Time
	// Pause pauses the kubelet while the API server starts; nil leaves it alone.
	Pause await.Pauser
}

// releaser is the state of one ReleaseInOrder.
type releaser struct {
	layout state.Layout
	wait   bool
	waiter await.Waiter
	// probers are kept with their connections: a handshake is expensive.
	probers map[string]*await.Prober
	// healthy are those that were seen healthy, and need not be asked again.
	healthy map[string]bool
	kubelet await.KubeletPause
}

// ReleaseInOrder puts back what an interrupted run or a start of the board left staged,
// in the order of [plan.Components]. It leaves the manifests to a run that is under way: with Wait it
// continues once nobody holds the lock any more, for that may have been a renewal of certificates. It
// does nothing before a kubelet is configured, because then no manifest is read.
func ReleaseInOrder(ctx context.Context, o ReleaseOptions) (released []string, err error) {
	began := o.Now()
	last := began
	r := &releaser{
		layout: o.Layout, wait: o.Wait, waiter: await.Waiter{Layout: o.Layout, Certificates: o.Layout.Certificates(nil,
			kubeadm.Args{})},
		probers: map[string]*await.Prober{}, healthy: map[string]bool{},
		kubelet: await.KubeletPause{Layout: o.Layout, Pause: o.Pause, LongTurns: true, Note: o.Tell},
	}
	defer r.close()
	defer r.kubelet.Resume()
	for {
		_, busy, _ := state.Holding(o.Layout)
		if busy {
			began, last = o.Now(), o.Now()
		}
		r.pauseKubelet(busy)
		step, done, err := r.step(ctx, busy, !o.Wait || o.Now().Sub(began) > o.Patience, o.Now().Sub(last) > o.Patience/4)
		released = append(released, step...)
		if len(step) > 0 {
			last = o.Now()
			o.Tell("released: " + strings.Join(step, ", "))
		}
		if done || err != nil {
			return released, err
		}
		if err := await.Sleep(ctx, o.Poll); err != nil {
			return released, err
		}
	}
}

// step does what can be done now. The lock is held only for that, so that an owner can
// always continue by hand. busy says that somebody has it; all says to release without
// asking for health; late says that a scheduler that does not become healthy is not
// waited for any more.
func (r *releaser) step(ctx context.Context, busy, all, late bool) (released []string, done bool, err error) {
	l := r.layout
	if !durable.Exists(l.State()) && len(Staged(l)) == 0 {
		return nil, true, nil
	}
	if busy {
		return nil, !r.wait, nil
	}
	// Asking takes long on a slow board, so it is done without the lock.
	ready := func(c string) bool { return all || r.ready(ctx, c, late) }
	var may []string
	if durable.Exists(l.KubeletConfig()) || all {
		for _, c := range Staged(l) {
			if !ready(c) {
				break
			}
			may = append(may, c)
		}
	}
	unlock, err := state.Enter(l)
	if state.IsLocked(err) {
		return nil, !r.wait, nil
	}
	if err != nil {
		return nil, true, err
	}
	defer unlock()
	if len(Staged(l)) > 0 && !durable.Exists(l.KubeletConfig()) && !all {
		return nil, true, nil
	}
	for _, c := range may {
		if e := Release(l, c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		released = append(released, c)
	}
	if err != nil && (all || len(released) == 0) {
		return released, true, err
	}
	if len(Staged(l)) > 0 {
		return released, false, nil
	}
	RemoveFolders(l)
	return released, true, RemoveUnit(l)
}

// ready reports whether every component before c is healthy. One that is nowhere on
// this board, such as an etcd outside of the cluster, is not waited for.
func (r *releaser) ready(ctx context.Context, c string, late bool) bool {
	for _, before := range plan.Components() {
		if before == c {
			return true
		}
		if before == plan.Scheduler && late {
			continue
		}
		if StagedAt(r.layout, before) != "" && !durable.Exists(r.layout.Manifest(before)) {
			return false
		}
		if durable.Exists(r.layout.Manifest(before)) && !r.isHealthy(ctx, before) {
			return false
		}
	}
	return true
}

// isHealthy asks a component whose process is there.
func (r *releaser) isHealthy(ctx context.Context, c string) bool {
	if r.healthy[c] {
		return true
	}
	if r.probers[c] == nil {
		p, err := r.waiter.Prober(c, await.Patience)
		if err != nil {
			return false
		}
		r.probers[c] = p
	}
	r.healthy[c] = r.probers[c].Ask(ctx).Reach == await.ReachHealthy
	return r.healthy[c]
}

// pauseKubelet pauses the kubelet while the API server starts and something waits for it.
func (r *releaser) pauseKubelet(busy bool) {
	pids := []int(nil)
	if !busy && !r.healthy[plan.APIServer] && durable.Exists(r.layout.Manifest(plan.APIServer)) &&
		len(Staged(r.layout)) > 0 {
		pids = linux.Proc(r.layout.Proc()).Named(plan.APIServer)[plan.APIServer]
	}
	if len(pids) != 1 {
		r.kubelet.Observe(false, 0)
		return
	}
	r.kubelet.Observe(true, pids[0])
}

func (r *releaser) close() {
	for _, p := range r.probers {
		p.Close()
	}
}
