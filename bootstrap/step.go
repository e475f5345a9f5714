package bootstrap

import (
	"context"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// work is one step under way.
type work struct {
	// again says that an interrupted run had begun the step.
	again bool
	// tell shows what the step is doing.
	tell func(string)
	// attempts is how often it was tried.
	attempts int
	// waited is the component that it waited for.
	waited string
}

// An executor carries out a step.
type executor func(ctx context.Context, r *run, s plan.Step, w *work) error

// executors has one for each type of step, by its kind.
func executors() map[string]executor {
	return map[string]executor{
		plan.RunPhases{}.Kind():           lasting((*run).runPhases),
		plan.PatchManifests{}.Kind():      simple((*run).patchManifests),
		plan.StageManifests{}.Kind():      simple((*run).stageManifests),
		plan.ReleaseManifest{}.Kind():     simple((*run).releaseManifest),
		plan.AwaitHealthy{}.Kind():        lasting((*run).awaitHealthy),
		plan.TuneServices{}.Kind():        simple((*run).tuneServices),
		plan.KubeletCertificates{}.Kind(): lasting((*run).kubeletCertificates),
		plan.BackUp{}.Kind():              lasting((*run).backUp),
		plan.RenderManifests{}.Kind():     lasting((*run).renderManifests),
		plan.SwitchManifests{}.Kind():     lasting((*run).switchManifests),
		plan.RestoreFiles{}.Kind():        simple((*run).restoreFiles),
		plan.RenewCertificates{}.Kind():   lasting((*run).renewCertificates),
		plan.AwaitNode{}.Kind():           lasting((*run).awaitNode),
		plan.JoinEtcd{}.Kind():            lasting((*run).joinEtcd),
		plan.ServeEndpoint{}.Kind():       lasting((*run).serveEndpoint),
		plan.SetEndpoint{}.Kind():         lasting((*run).setEndpoint),
	}
}

// lasting makes an executor of a function that may take long, and can be canceled.
func lasting[S plan.Step](do func(*run, context.Context, S, *work) error) executor {
	return func(ctx context.Context, r *run, s plan.Step, w *work) error { return do(r, ctx, s.(S), w) }
}

// simple makes an executor of a function that is done at once.
func simple[S plan.Step](do func(*run, S) error) executor {
	return func(_ context.Context, r *run, s plan.Step, _ *work) error { return do(r, s.(S)) }
}

// do carries out one step.
func (r *run) do(ctx context.Context, s plan.Step, w *work) error {
	do, ok := executors()[s.Kind()]
	if !ok {
		return fmt.Errorf("carry out the plan: unknown step %T", s)
	}
	w.attempts = 1
	return do(ctx, r, s, w)
}
