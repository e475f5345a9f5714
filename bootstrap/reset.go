package bootstrap

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Abort gives an interrupted run up: staged manifests are put back, and the journal, the
// configuration's copy, the unit and the lock are removed, as is a join's token. All else that
// kubeadm made stays, and so do the manifests' scaled probes, without which a control plane would not stay up on a
// slow board. It needs no readable journal.
func Abort(l state.Layout) (released []string, err error) {
	if !durable.Exists(l.State()) && len(manifests.Staged(l)) == 0 {
		return nil, state.Refuse(state.NotRecorded, errNothingToResume, "nothing of kubeadm-arm's is there to be put back")
	}
	if err := manifests.Releasable(l); err != nil {
		return nil, err
	}
	unlock, err := enter(l)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if released, err = manifests.ReleaseAll(l); err != nil {
		return released, fmt.Errorf("put staged manifests back: %w", err)
	}
	if err := manifests.RemoveBootList(l); err != nil {
		return released, err
	}
	if err := forgetToken(l); err != nil {
		return released, err
	}
	return released, tidy(l)
}

// forgetToken removes the kubeconfig with the token that an interrupted join has made. A kubelet
// that has its certificate has no use for it.
func forgetToken(l state.Layout) error {
	j, err := journal.Read(l.Journal())
	if err != nil || j == nil || j.Plan.Command != kubeadm.Join {
		return nil // not known to be ours
	}
	if path := l.BootstrapConf(); !slices.Contains(j.Before, filepath.Base(path)) {
		return l.FS.Remove(path)
	}
	return nil
}

// enter takes the lock, where no kubeadm is changing the board.
func enter(l state.Layout) (unlock func(), err error) {
	if unlock, err = state.Enter(l); err != nil {
		return nil, err
	}
	if err := otherInit(l); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// TurnBack has an interrupted upgrade go back to the version before it: its journal becomes
// that of the way back, which is resumed like any other. It returns nil where nothing has to
// be undone, and Abort is enough.
func TurnBack(l state.Layout) (*journal.Journal, error) {
	unlock, err := enter(l)
	if err != nil {
		return nil, err
	}
	defer unlock()
	j, err := Interrupted(l)
	if err != nil || j.Plan.GoesBack {
		return j, err
	}
	back, changed := plan.GoBack(j.Plan, j.Done, j.Begun)
	if !changed {
		return nil, nil
	}
	j.Plan, j.Done, j.Begun = back, 0, false
	// What was asked for has no part in the way back.
	j.Request, j.Args, j.Omitted = nil, nil, nil
	return j, j.Write(l)
}

// Reset runs kubeadm reset, under the lock where kubeadm-arm has files, and after
// its success removes kubeadm-arm's own files: staged manifests, journal, the
// configuration's copy, patches, unit. Static pods that are not kubeadm's, which
// kubeadm would remove, stay whether it succeeds or not. It returns what it
// removed and what it left: those, and what it does not know in our folder.
func Reset(l state.Layout, kubeadmReset func() error) (removed, left []string, err error) {
	foreign, err := manifests.Foreign(l)
	if err != nil {
		return nil, nil, fmt.Errorf("read the manifests folder: %w", err)
	}
	ours := durable.Exists(l.State()) || len(manifests.Staged(l)) > 0
	if ours || len(foreign) > 0 {
		unlock, err := state.Enter(l)
		if err != nil {
			return nil, nil, err
		}
		defer unlock()
	}
	if err := manifests.KeepForeign(l); err != nil {
		return nil, nil, fmt.Errorf("keep the static pods that are not kubeadm's: %w", err)
	}
	err = kubeadmReset()
	left, back := manifests.PutForeignBack(l)
	if back != nil {
		back = fmt.Errorf("put back the static pods that are not kubeadm's, which are in %s: %w", l.StaticPods(), back)
	}
	if err := errors.Join(err, back); err != nil {
		return nil, left, err
	}
	if !ours && len(foreign) == 0 {
		removed, err := removeDropIns(l)
		return removed, left, errors.Join(err, manifests.RemoveUnit(l))
	}
	removed, unknown, err := forget(l)
	return removed, append(left, unknown...), err
}

func forget(l state.Layout) (removed, left []string, err error) {
	for _, c := range plan.Components() {
		for path := manifests.StagedAt(l, c); path != ""; path = manifests.StagedAt(l, c) {
			if err := l.FS.Remove(path); err != nil {
				return removed, nil, err
			}
			removed = append(removed, path)
		}
	}
	patches, err := manifests.RemovePatches(l)
	removed = append(removed, patches...)
	if err != nil {
		return removed, nil, err
	}
	dropIns, err := removeDropIns(l)
	removed = append(removed, dropIns...)
	if err != nil {
		return removed, nil, err
	}
	if durable.Exists(l.BootList()) {
		if err := manifests.RemoveBootList(l); err != nil {
			return removed, nil, err
		}
		removed = append(removed, l.BootList())
	}
	for _, path := range []string{l.Journal(), l.ConfigCopy()} {
		if durable.Exists(path) {
			removed = append(removed, path)
		}
	}
	if err := tidy(l); err != nil {
		return removed, nil, err
	}
	left, err = unknown(l)
	return removed, left, err
}

// unknown lists what is in our folder and not ours.
func unknown(l state.Layout) ([]string, error) {
	all, err := safefile.Files(l.State(), state.MaxListed)
	for i, name := range all {
		all[i] = filepath.Join(l.State(), name)
	}
	return all, err
}
