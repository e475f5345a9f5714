package manifests

import (
	"context"
	"fmt"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// ProcessName is a component's process in /proc: the kernel cuts names after 15 bytes
// (proc_pid_comm(5)).
func ProcessName(component string) string { return component[:min(len(component), 15)] }

func componentProcesses() (all []string) {
	for _, c := range plan.Components() {
		all = append(all, ProcessName(c))
	}
	return all
}

// Runs reports whether the board's kubelet or a part of its control plane runs.
func Runs(l state.Layout) bool {
	return len(linux.Proc(l.Proc()).Named(append(componentProcesses(), "kubelet")...)) > 0
}

// RestartOptions are for Restart.
type RestartOptions struct {
	ReleaseOptions
	// Program is that of [Options].
	Program func() (string, error)
	// Kubelet restarts the kubelet.
	Kubelet func() error
}

// endPatience is how long the components may take to end; the kubelet kills them after
// their 30 s of grace.
const endPatience = 3 * time.Minute

// Restart restarts the kubelet and what runs of the control plane, one component after
// the other: it stages all, waits until they have ended, and releases them as
// a start of the board does. If it is killed, the unit that releases them completes it at
// the next start. It does nothing where nothing runs.
func Restart(ctx context.Context, o RestartOptions) error {
	l := o.Layout
	if !Runs(l) {
		return nil
	}
	// First of all: it may have given up, and only a kubelet ends what is staged.
	if err := o.Kubelet(); err != nil {
		return fmt.Errorf("restart the kubelet: %w", err)
	}
	if err := stageRunning(l, o.Program); err != nil {
		return fmt.Errorf("restart the control plane: %w", err)
	}
	for began := o.Now(); len(Staged(l)) > 0 && len(linux.Proc(l.Proc()).Named(componentProcesses()...)) > 0; {
		if o.Now().Sub(began) > endPatience {
			o.Tell("some components have not ended; continuing")
			break
		}
		if err := await.Sleep(ctx, o.Poll); err != nil {
			return err
		}
	}
	_, err := ReleaseInOrder(ctx, o.ReleaseOptions)
	return err
}

// stageRunning stages every manifest that is in place.
func stageRunning(l state.Layout, program func() (string, error)) (err error) {
	unlock, err := state.Enter(l)
	if err != nil {
		return err
	}
	defer unlock()
	var staged []string
	for _, c := range plan.Components() {
		if !durable.Exists(l.Manifest(c)) {
			continue
		}
		if err := InstallUnit(l, program); err != nil {
			return err
		}
		if err := Stage(l, c); err != nil {
			_ = PutBack(l, staged)
			return err
		}
		staged = append(staged, c)
	}
	return nil
}
