package plan

import (
	"fmt"
	"time"
)

// TuneServices makes the node's services and everything they start wake up less
// often: a drop-in for systemd, and the same at once for those that run.
type TuneServices struct {
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

// Title implements Step.
func (TuneServices) Title() string { return "let the node's services sleep longer" }

func (TuneServices) step() {}

// timerSlack is a compromise: under a CPU quota more goes on saving, but the
// timeouts of the network and of fsync start to be late by what they last.
const timerSlack = 20 * time.Millisecond

// services decides what the node's services are told. A process inherits its
// parent's timer slack, so a container inherits the container runtime's.
func (m *maker) services() {
	if !m.saving() {
		return
	}
	m.decide(GroupKubelet, "timer slack", timerSlack.String(), "a Go program that is busy wakes up every 20 µs to 10 ms to look after itself, and a dozen of them run here; timers that may be this much late fire together")
	t := TuneServices{TimerSlack: timerSlack}
	if m.cores() <= 2 {
		m.decide(GroupKubelet, "kubelet GOMAXPROCS", "1", oneThread)
		t.Kubelet = []Variable{{Name: "GOMAXPROCS", Value: "1"}}
	}
	m.add(t)
}

// apiMemory is what the API server's heap may take before its garbage collector
// works harder: a fifth of the board's memory, and never less than what a small
// cluster's server holds anyway.
func (m *maker) apiMemory() (limit string, ok bool) {
	const least, mib = 256, 1 << 20
	total := m.f.Board.MemoryTotal / mib
	if total < 900 {
		return "", false
	}
	return fmt.Sprintf("%dMiB", max(least, total/5)), true
}
