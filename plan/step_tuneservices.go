package plan

import (
	"fmt"
	"time"
)

// TuneServices makes the node's services and everything they start wake up less
// often: a drop-in for systemd, and the same at once for those that run.
type TuneServices struct {
	plain
	// TimerSlack is how late a timer may fire so that several fire together.
	TimerSlack time.Duration `json:"timerSlackNanoseconds"`
	// Kubelet are environment variables for the kubelet alone.
	Kubelet []Variable `json:"kubelet,omitempty"`
}

// A Variable is one of the environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Kind implements Step.
func (TuneServices) Kind() string  { return "tuneServices" }
func (TuneServices) Title() string { return "set a longer timer slack for the node's services" }

// Detail implements Step.
func (s TuneServices) Detail() string {
	return fmt.Sprintf("kubelet, container runtime; their timers may fire %s late", s.TimerSlack)
}

// Check implements Step.
func (s TuneServices) Check() error { return inRange("timer slack", s.TimerSlack) }

// timerSlack is a compromise: under a CPU quota more goes on saving, but the
// timeouts of the network and of fsync start to be late by what they last.
const timerSlack = 20 * time.Millisecond

// tuneServices decides how. A process inherits its
// parent's timer slack, so a container inherits the container runtime's.
func (m *maker) tuneServices() []Step {
	if !m.saving() {
		return nil
	}
	m.decide(GroupKubelet, "timer slack", timerSlack.String(),
		"a Go program that is busy wakes up every 20 µs to 10 ms to look after itself, and a dozen of them run here; "+
			"timers that may be this much late fire together")
	t := TuneServices{TimerSlack: timerSlack}
	if m.cores() <= 2 {
		m.decide(GroupKubelet, "kubelet GOMAXPROCS", "1", oneThread)
		t.Kubelet = []Variable{{Name: "GOMAXPROCS", Value: "1"}}
	}
	return []Step{t}
}
