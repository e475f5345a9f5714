package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A board that needed staging needs it at every start: the kubelet would start
// all four at once, and they would wear each other down as in the bootstrap.

// keepHoldingBack leaves the list of what is staged when the board starts, where
// there is a systemd unit that puts it back.
func (r *run) keepHoldingBack() error {
	var names []string
	for _, s := range r.journal.Plan.Steps {
		if s, ok := s.(plan.StageManifests); ok {
			names = s.Staged
		}
	}
	if len(names) == 0 {
		return nil
	}
	// Again: an interrupted run may have ended with nothing staged, and without it.
	if err := r.layout.installUnit(r.Program); err != nil {
		return err
	}
	if !r.layout.unitThere() {
		return nil
	}
	if err := r.layout.FS.WriteFile(r.layout.HeldBack(), []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("have the board's later starts staged: %w", err)
	}
	return nil
}

// heldBack reads that list. What is no component of a control plane is not
// heeded: then that one starts as it would without the list.
func (l Layout) heldBack() ([]string, error) {
	text, err := safefile.Read(l.HeldBack(), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is held back when the board starts: %w", err)
	}
	listed := strings.Fields(string(text))
	return slices.DeleteFunc(plan.Components(), func(c string) bool { return !slices.Contains(listed, c) }), nil
}

// HoldBack stages what the list names, before the kubelet starts. Where the
// kubelet or a control plane runs already it does nothing: it would end them.
func HoldBack(l Layout) (held []string, err error) {
	names, err := l.heldBack()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if len(linux.Proc(l.Proc()).Named("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller")) > 0 {
		return nil, nil
	}
	unlock, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, c := range names {
		if !fileExists(l.Manifest(c)) {
			continue // staged already, or its owner took it away
		}
		if err := l.stage(c); err != nil {
			return held, errors.Join(err, l.putBackHeld(held))
		}
		held = append(held, c)
	}
	return held, nil
}

// putBackHeld undoes a HoldBack that failed: all start at once, as without it.
func (l Layout) putBackHeld(held []string) (err error) {
	for _, c := range held {
		err = errors.Join(err, l.release(c))
	}
	return err
}

// removeHeldBack ends it.
func (l Layout) removeHeldBack() error {
	return l.FS.Remove(l.HeldBack())
}
