package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// ReleaseOptions are for Release.
type ReleaseOptions struct {
	Layout Layout
	// Wait says to release each component once those before it are healthy, or
	// after Patience without that.
	Wait     bool
	Patience time.Duration
	Poll     time.Duration
	Tell     func(string)
	Now      func() time.Time
	// Hold stops the kubelet while the API server starts; nil leaves it alone.
	Hold Stopper
}

// releaser is one Release at work.
type releaser struct {
	*run
	// probers are kept with their connections: a handshake is dear.
	probers map[string]*prober
	// healthy are those that were seen healthy, and need not be asked again.
	healthy map[string]bool
	still   stillness
}

// Release puts back what an interrupted run or a start of the board left staged,
// in the order of [plan.Components]. It stands aside for a run that is at work,
// and has nothing to do before a kubelet is configured, because then no manifest
// is read.
func Release(ctx context.Context, o ReleaseOptions) (released []string, err error) {
	began := o.Now()
	last := began
	r := &releaser{
		run:     newRun(Options{Layout: o.Layout, Now: o.Now, Tell: func(Event) {}}),
		probers: map[string]*prober{}, healthy: map[string]bool{},
		still: stillness{layout: o.Layout, hold: o.Hold, longTurns: true, tell: o.Tell},
	}
	defer r.close()
	defer r.still.end()
	for {
		r.hold()
		step, done, err := r.step(ctx, !o.Wait || o.Now().Sub(began) > o.Patience, o.Now().Sub(last) > o.Patience/4)
		released = append(released, step...)
		if len(step) > 0 {
			last = o.Now()
			o.Tell("released: " + strings.Join(step, ", "))
		}
		if done || err != nil {
			return released, err
		}
		if err := r.sleep(ctx, o.Poll); err != nil {
			return released, err
		}
	}
}

// step does what can be done now. The lock is held only meanwhile, so that an
// owner who goes on by hand is never kept out. all says to ask nobody; late says
// that a scheduler that does not come holds nobody back any more.
func (r *releaser) step(ctx context.Context, all, late bool) (released []string, done bool, err error) {
	l := r.layout
	if !fileExists(l.State()) && len(l.stagedNow()) == 0 {
		return nil, true, nil
	}
	// Asking takes its time on a slow board; the lock is not for that.
	ready := func(c string) bool { return all || r.ready(ctx, c, late) }
	var may []string
	if fileExists(l.KubeletConfig()) || all {
		for _, c := range l.stagedNow() {
			if !ready(c) {
				break
			}
			may = append(may, c)
		}
	}
	unlock, err := l.enter()
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason == Locked {
		return nil, true, nil // the run at work sees to it
	}
	if err != nil {
		return nil, true, err
	}
	defer unlock()
	if len(l.stagedNow()) > 0 && !fileExists(l.KubeletConfig()) && !all {
		return nil, true, nil
	}
	for _, c := range may {
		if e := l.release(c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		released = append(released, c)
	}
	if err != nil && (all || len(released) == 0) {
		return released, true, err
	}
	if len(l.stagedNow()) > 0 {
		return released, false, nil
	}
	l.removeStagedFolders()
	return released, true, l.removeUnit()
}

// ready tells whether every component before c is healthy. One that is nowhere on
// this board, such as an etcd outside of the cluster, is not waited for.
func (r *releaser) ready(ctx context.Context, c string, late bool) bool {
	for _, before := range plan.Components() {
		if before == c {
			return true
		}
		if before == plan.Scheduler && late {
			continue
		}
		if r.layout.stagedAt(before) != "" && !fileExists(r.layout.Manifest(before)) {
			return false
		}
		if fileExists(r.layout.Manifest(before)) && !r.isHealthy(ctx, before) {
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
		p, err := r.proberFor(c, patienceOf(plan.AwaitHealthy{}))
		if err != nil {
			return false
		}
		r.probers[c] = p
	}
	r.healthy[c] = r.probers[c].ask(ctx).Reach == ReachHealthy
	return r.healthy[c]
}

// hold stops the kubelet while the API server starts and something waits for it.
func (r *releaser) hold() {
	pids := []int(nil)
	if !r.healthy[plan.APIServer] && fileExists(r.layout.Manifest(plan.APIServer)) && len(r.layout.stagedNow()) > 0 {
		pids = linux.Proc(r.layout.Proc()).Named(plan.APIServer)[plan.APIServer]
	}
	if len(pids) != 1 {
		r.still.see(false, 0)
		return
	}
	r.still.see(true, pids[0])
}

func (r *releaser) close() {
	for _, p := range r.probers {
		p.close()
	}
}

// Abort gives an interrupted run up: staged manifests are put back, and the
// journal, the configuration's copy, the unit and the lock go. What kubeadm made
// stays, and so do the manifests' scaled probes, without which a slow board
// could not hold its control plane. It needs no readable journal.
func Abort(l Layout) (released []string, err error) {
	if !fileExists(l.State()) && len(l.stagedNow()) == 0 {
		return nil, &RefusedError{NotRecorded, errNothingToResume, "nothing of kubeadm-arm's is there to be put back"}
	}
	if err := l.releasable(); err != nil {
		return nil, err
	}
	unlock, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.otherInit(); err != nil {
		return nil, err
	}
	if released, err = l.releaseAll(); err != nil {
		return released, fmt.Errorf("put staged manifests back: %w", err)
	}
	if err := l.removeHeldBack(); err != nil {
		return released, err
	}
	return released, l.tidy()
}

// Reset runs kubeadm reset, under the lock where there is something of ours, and
// after its success removes everything of ours: staged manifests, journal, the
// configuration's copy, patches, unit. Static pods that are not kubeadm's, which
// kubeadm would remove, stay whether it succeeds or not. It returns what it
// removed and what it left: those, and what it does not know in our folder.
func Reset(l Layout, kubeadmReset func() error) (removed, left []string, err error) {
	foreign, err := l.foreignPods()
	if err != nil {
		return nil, nil, fmt.Errorf("read the manifests folder: %w", err)
	}
	ours := fileExists(l.State()) || len(l.stagedNow()) > 0
	if ours || len(foreign) > 0 {
		unlock, err := l.enter()
		if err != nil {
			return nil, nil, err
		}
		defer unlock()
	}
	if err := l.keepForeign(); err != nil {
		return nil, nil, fmt.Errorf("keep the static pods that are not kubeadm's: %w", err)
	}
	err = kubeadmReset()
	left, back := l.putForeignBack()
	if back != nil {
		back = fmt.Errorf("put back the static pods that are not kubeadm's, which are in %s: %w", l.kept(), back)
	}
	if err := errors.Join(err, back); err != nil {
		return nil, left, err
	}
	if !ours && len(foreign) == 0 {
		removed, err := l.removeDropIns()
		return removed, left, errors.Join(err, l.removeUnit())
	}
	removed, unknown, err := l.forget()
	return removed, append(left, unknown...), err
}

func (l Layout) forget() (removed, left []string, err error) {
	for _, c := range plan.Components() {
		for path := l.stagedAt(c); path != ""; path = l.stagedAt(c) {
			if err := l.FS.Remove(path); err != nil {
				return removed, nil, err
			}
			removed = append(removed, path)
		}
	}
	patches, err := l.removePatches()
	removed = append(removed, patches...)
	if err != nil {
		return removed, nil, err
	}
	dropIns, err := l.removeDropIns()
	removed = append(removed, dropIns...)
	if err != nil {
		return removed, nil, err
	}
	if fileExists(l.HeldBack()) {
		if err := l.removeHeldBack(); err != nil {
			return removed, nil, err
		}
		removed = append(removed, l.HeldBack())
	}
	for _, path := range []string{l.Journal(), l.ConfigCopy()} {
		if fileExists(path) {
			removed = append(removed, path)
		}
	}
	if err := l.tidy(); err != nil {
		return removed, nil, err
	}
	left, err = l.unknown()
	return removed, left, err
}
