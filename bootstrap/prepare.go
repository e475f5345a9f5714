package bootstrap

import (
	"context"
	"errors"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/podlog"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// checkAgain looks once more under the lock: between the first look and the
// lock another run may have begun, ended or both.
func (r *run) checkAgain() error {
	j, err := Check(r.layout, r.Check)
	if err != nil {
		return err
	}
	if (j == nil) != (r.Resume == nil) || j != nil && (j.Done != r.Resume.Done || j.Begun != r.Resume.Begun) {
		return state.Refuse(state.Locked, errors.New("another kubeadm-arm was running on this board meanwhile"),
			"look what it did with: kubeadm-arm status")
	}
	return nil
}

// prepare writes the first journal and kubeadm's configuration, and restores the state in
// which an interrupted run stopped.
func (r *run) prepare(ctx context.Context) error {
	removeTemps(r.layout)
	if r.journal = r.Resume; r.journal == nil {
		before, err := files(r.layout)
		if err != nil {
			return err
		}
		r.journal = r.newJournal(before)
	}
	r.waiter.LogsBefore = r.journal.LogsBefore
	r.journal.Writer = state.Me(r.layout)
	if staged, err := manifests.Folder(r.layout); err == nil {
		r.journal.Staged = staged
	}
	if err := r.journal.Write(r.layout); err != nil {
		return err
	}
	for _, c := range plan.Components() {
		if err := manifests.Settle(r.layout, c); err != nil {
			return err
		}
	}
	if r.Resume != nil && r.journal.Begun {
		if err := r.sweep(); err != nil {
			return err
		}
	}
	if err := r.stageAgain(ctx); err != nil {
		return err
	}
	return r.prepareConfig()
}

// newJournal is the journal of a run that begins. before are the files that are there.
func (r *run) newJournal(before []string) *journal.Journal {
	kept, omitted := journal.KeepArgs(r.Plan.Command, r.Args)
	return &journal.Journal{
		Version: journal.Version, Started: r.now(), Request: r.Check.Request, Plan: r.Plan,
		Args: kept, Omitted: omitted, Board: r.Check.Board, Before: before,
		LogsBefore: podlog.Next(r.layout.PodLogs()), Written: map[string]string{},
		Kubeadm: r.Kubeadm, KubeadmVersion: r.Behaviour.Version.String(),
	}
}

// prepareConfig writes the copy of the configuration that kubeadm gets, where the plan
// wants one and the interrupted run has not left it.
func (r *run) prepareConfig() error {
	if r.Cluster != nil && r.Resume == nil {
		if err := r.keepClusterConfig(); err != nil {
			return err
		}
	}
	if r.Plan.Config == nil || r.journal.Done == len(r.journal.Plan.Steps) {
		return nil
	}
	if r.Resume != nil && durable.Exists(r.layout.ConfigCopy()) {
		return nil // the token in it may be in the cluster already
	}
	if r.Resume != nil {
		for _, name := range r.journal.Omitted {
			if _, ok := r.Args.Get(name); !ok {
				return state.Refuse(state.BadJournal, fmt.Errorf("%s is gone, and with it the value of --%s",
					r.layout.ConfigCopy(), name),
					"repeat the same kubeadm-arm "+string(r.journal.Plan.Command)+" with all its flags to go on")
			}
		}
	}
	return r.writeConfig()
}

// record puts hashes of what the steps so far have written into the journal.
func (r *run) record() {
	r.journal.Written = map[string]string{}
	if h := journal.HashFile(r.layout.ConfigCopy()); h != "" {
		r.journal.Written[r.layout.ConfigCopy()] = h
	}
	for _, c := range plan.Components() {
		for _, path := range r.manifestPlaces(c) {
			if h := journal.HashFile(path); h != "" {
				// Under the name it belongs to, wherever it waits.
				r.journal.Written[r.layout.Manifest(c)] = h
			}
		}
	}
}
