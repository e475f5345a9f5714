// Package screen shows a run to people: its plan, in 80 columns, and its steps while
// they run. What is not for people is one JSON object per line and belongs to the
// command.
package screen

import (
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A Run is one before its first step.
type Run struct {
	Kubeadm kubeadm.Version
	// Path is the real kubeadm's.
	Path string
	// Model is the board's, empty if unknown.
	Model string
	Plan  plan.Plan
	// Resumed is set when an interrupted run is resumed after Done steps.
	Resumed bool
	Done    int
	// Cached says where the benchmark was found, empty where it was made by this run.
	Cached string
}

// NoComponents stands for the restarts of a board without a control plane.
const NoComponents = -1

// An End is a run that has succeeded.
type End struct {
	// Done is what is said of the board now, such as "control plane up".
	Done string
	Took time.Duration
	// Restarts are the components', or NoComponents.
	Restarts int
	// CPU and Peak are what kubeadm-arm itself has used, Peak in bytes.
	CPU  time.Duration
	Peak int64
	// Report is the board report's path, empty without one.
	Report string
}

// A Display shows a run under way. Its methods may be called from several
// goroutines.
type Display interface {
	// Line shows a line of its own.
	Line(string)
	Begin(Run)
	Event(bootstrap.Event)
	// Stop ends the showing of events.
	Stop()
}
