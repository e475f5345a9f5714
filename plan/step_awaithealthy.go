package plan

import (
	"fmt"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
)

// AwaitHealthy waits until a component is healthy, for as long as something
// moves.
type AwaitHealthy struct {
	plain
	Component string `json:"component"`
	// Predicted is shown to the owner; it is no deadline.
	Predicted time.Duration `json:"expectNanoseconds"`
	// Quiet, Patience and Restarts are the limits of bootstrap's watch.
	Quiet    time.Duration `json:"quietNanoseconds"`
	Patience time.Duration `json:"patienceNanoseconds"`
	Restarts int           `json:"restarts"`
	// PauseKubelet says to pause the kubelet meanwhile, and to give the component's
	// threads long turns.
	PauseKubelet bool `json:"holdKubelet,omitempty"`
	// Poll is the time between two looks.
	Poll time.Duration `json:"pollNanoseconds"`
}

// Kind implements Step.
func (AwaitHealthy) Kind() string            { return "awaitHealthy" }
func (s AwaitHealthy) Title() string         { return "wait for " + s.Component }
func (s AwaitHealthy) Components() []string  { return []string{s.Component} }
func (s AwaitHealthy) Expect() time.Duration { return s.Predicted }

// Detail implements Step.
func (s AwaitHealthy) Detail() string {
	return fmt.Sprintf("expected %s; given up when nothing moves for %s, nothing new comes for %s, or after %d restarts",
		text.Duration(s.Predicted), text.Duration(s.Quiet), text.Duration(s.Patience), s.Restarts)
}

// Check implements Step.
func (s AwaitHealthy) Check() error {
	return checkWait(s.Restarts, limit{"expect", s.Predicted}, limit{"quiet", s.Quiet}, limit{"patience", s.Patience},
		limit{"poll", s.Poll})
}

// await waits for components that start at the same time.
func (m *maker) await(components ...string) (steps []Step) {
	for _, c := range components {
		steps = append(steps, m.awaitHealthy(c))
	}
	return steps
}

func (m *maker) awaitHealthy(c string) AwaitHealthy {
	// Half a minute without one tick of CPU time or one log line is odd even on
	// a busy board; the slower the board, the longer such gaps get.
	quiet := max(60*time.Second, roundUp(seconds(10*m.slowdown), 10*time.Second))
	patience := max(5*time.Minute, roundUp(6*m.apiServerStart, 30*time.Second))
	return AwaitHealthy{
		Component: c, Predicted: m.expect(c),
		Quiet: quiet, Patience: patience, Restarts: 5, PauseKubelet: m.slow && c == APIServer,
		Poll: m.poll(),
	}
}

// poll is the time between two looks: a fiftieth of the API server's start, so that
// looking costs little and half of that, 1 %, is waited too long.
func (m *maker) poll() time.Duration {
	return min(max(roundUp(m.apiServerStart/50, 100*time.Millisecond), 250*time.Millisecond), 5*time.Second)
}
