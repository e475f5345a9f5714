package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// ReleaseOptions are for Release.
type ReleaseOptions struct {
	Layout Layout
	// Wait says to release the controller-manager and the scheduler once the API
	// server is healthy, or after Patience without that.
	Wait     bool
	Patience time.Duration
	Poll     time.Duration
	Tell     func(string)
	Now      func() time.Time
}

// Release puts back what an interrupted run left staged: the API server at once,
// the others after it. It stands aside for a run that is at work, and has
// nothing to do before a kubelet is configured, because then no manifest is read.
func Release(ctx context.Context, o ReleaseOptions) (released []string, err error) {
	began := o.Now()
	r := &run{Options: Options{Layout: o.Layout, Now: o.Now, Tell: func(Event) {}}, layout: o.Layout}
	for {
		step, done, err := r.releaseStep(ctx, !o.Wait || o.Now().Sub(began) > o.Patience)
		released = append(released, step...)
		if len(step) > 0 {
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

// releaseStep does what can be done now. The lock is held only meanwhile, so that
// an owner who goes on by hand is never kept out.
func (r *run) releaseStep(ctx context.Context, all bool) (released []string, done bool, err error) {
	l := r.layout
	if !fileExists(l.State()) && len(l.stagedNow()) == 0 {
		return nil, true, nil
	}
	if err := l.openState(); err != nil {
		return nil, true, err
	}
	unlock, err := l.lock()
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason == Locked {
		return nil, true, nil // the run at work sees to it
	}
	if err != nil {
		return nil, true, err
	}
	defer unlock()
	staged := l.stagedNow()
	if len(staged) == 0 {
		l.removeStagedFolders()
		return nil, true, l.removeUnit()
	}
	if !fileExists(l.KubeletConfig()) && !all {
		return nil, true, nil
	}
	ready := all || r.healthyNow(ctx, plan.APIServer)
	for _, c := range staged {
		first := c == plan.Etcd || c == plan.APIServer
		if !first && !ready {
			continue
		}
		if e := l.release(c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		released = append(released, c)
	}
	if err != nil && ready {
		return released, true, err
	}
	if len(l.stagedNow()) > 0 {
		return released, false, nil
	}
	l.removeStagedFolders()
	return released, true, l.removeUnit()
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
	if err := l.openState(); err != nil {
		return nil, err
	}
	unlock, err := l.lock()
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
	return released, l.tidy()
}

// Reset runs kubeadm reset, under the lock where there is something of ours, and
// after its success removes everything of ours: staged manifests, journal, the
// configuration's copy, patches, unit. It returns what it removed and what it
// left in our folder because it does not know it.
func Reset(l Layout, kubeadmReset func() error) (removed, left []string, err error) {
	ours := fileExists(l.State()) || len(l.stagedNow()) > 0
	if ours {
		if err := l.openState(); err != nil {
			return nil, nil, err
		}
		unlock, err := l.lock()
		if err != nil {
			return nil, nil, err
		}
		defer unlock()
	}
	if err := kubeadmReset(); err != nil {
		return nil, nil, err
	}
	if !ours {
		removed, err := l.removeDropIns()
		return removed, nil, errors.Join(err, l.removeUnit())
	}
	return l.forget()
}

func (l Layout) forget() (removed, left []string, err error) {
	for _, c := range plan.Components() {
		for path := l.stagedAt(c); path != ""; path = l.stagedAt(c) {
			if err := l.remove(path); err != nil {
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
	for _, path := range []string{l.Journal(), l.ConfigCopy()} {
		if fileExists(path) {
			removed = append(removed, path)
		}
	}
	if err := l.tidy(); err != nil {
		return removed, nil, err
	}
	return removed, l.unknown(), nil
}
