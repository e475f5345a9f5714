package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// runInit is `kubeadm-arm init`, the main job.
func (v invocation) runInit(o options) error {
	if len(o.theirs.Words) > 0 || hasRootfs(o.theirs) {
		// init phase …, or another root folder: not a bootstrap of this board.
		return v.passThrough(slices.Concat([]string{"init"}, o.raw))
	}
	return v.runJob(o)
}

// initStages are all of init.
func (r *boardRun) initStages() []stage {
	return []stage{
		{"gather", r.always, r.gather, r.nothingChanged},
		{"diagnose", r.always, r.diagnose, r.nothingChanged},
		{"move storage", r.afresh, r.moveStorage, r.halfMoved},
		{"measure", r.afresh, r.measure, r.onlyMoved},
		{"plan", r.afresh, r.planInit, r.onlyMoved},
		{"show", r.dry, r.show, r.nothingChanged},
		{"run", r.notDry, r.run, nil},
		{"report", r.notDry, r.conclude, nil},
	}
}

// halfMoved is the hint after a signal while the data was being moved.
func (r *boardRun) halfMoved() string {
	if r.dry() || storage.Fresh() {
		return r.nothingChanged()
	}
	return "repeat the same kubeadm-arm init to finish moving the data; take it back with: kubeadm-arm storage undo"
}

// onlyMoved is the hint after a signal between that and the first step.
func (r *boardRun) onlyMoved() string {
	if r.dry() || r.moved == nil || r.moved.Nothing {
		return r.nothingChanged()
	}
	return fmt.Sprintf("the data was moved to %s, and nothing else was changed; run it again", r.moved.Disk.Name())
}

// moveStorage is --storage: apply, or in a dry run its plan. It comes before measuring,
// which measures the disk that etcd will have.
func (r *boardRun) moveStorage(ctx context.Context) error {
	var err error
	r.moved, err = r.initStorage(ctx, r.own.moveTo, r.config, r.dry())
	return err
}

// planInit decides.
func (r *boardRun) planInit(context.Context) error {
	r.planned = plan.MakeInit(r.facts())
	return bootstrap.CheckProgram(board(), r.planned, trustedProgram)
}
