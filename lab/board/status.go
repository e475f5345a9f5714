package board

import (
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

// Status is one board in lab status --json. Times are seconds, sizes bytes.
type Status struct {
	Board
	Alive bool `json:"alive"`
	// Silent is an emulated board that does not answer: what it uses is not known.
	Silent bool `json:"silent,omitempty"`
	// CPUSeconds were used since lab up or lab reboot returned, by all processes
	// of the board, living and ended.
	CPUSeconds  float64 `json:"cpuSeconds"`
	MemoryBytes int64   `json:"memoryBytes"`
	Processes   int     `json:"processes"`
	// Cores and UptimeSeconds are those of emulated boards.
	Cores         int     `json:"cores,omitempty"`
	UptimeSeconds float64 `json:"uptimeSeconds,omitempty"`
	// ByProgram are CPU seconds of the processes that live now, by the name
	// that the kernel keeps (15 bytes).
	ByProgram map[string]float64 `json:"cpuSecondsByProgram"`
	// WrittenBytes were sent to disks since lab up or lab reboot returned, by the
	// processes that live now and by their children.
	WrittenBytes int64 `json:"writtenBytes"`
	// Pace is what is known of a paced board's CPU time.
	Pace *pace `json:"pace,omitempty"`
}

// Status is what a board of namespaces uses.
func (b *Board) Status() (Status, error) {
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return Status{}, err
	}
	known, err := b.readPace()
	if err != nil {
		return Status{}, err
	}
	pids := groups.PIDs()
	return Status{
		Board: *b, Alive: b.First.Alive(), CPUSeconds: groups.CPUSeconds() - b.CPUSecondsAtUp,
		MemoryBytes: groups.MemoryBytes(), Processes: len(pids), ByProgram: byProgram(pids),
		WrittenBytes: max(0, writtenBytes(pids)-b.WrittenBytesAtUp), Pace: known,
	}, nil
}

// String is the board's line for people.
func (s Status) String() string {
	what := s.Limits.String()
	if s.Pace != nil {
		what += " (" + s.Pace.String() + ")"
	}
	if s.Emulated != "" {
		what = "emulated " + s.Emulated
	}
	state := "up"
	switch {
	case !s.Alive:
		state = "not running; remove it with: lab down --name " + s.Name
	case s.Silent:
		state = "up, but it does not answer"
	}
	return fmt.Sprintf("%-16s %-9s %s, address %s, %.1f CPU s, %d MiB, %d processes, %s", s.Name, s.Version, what,
		s.NodeIP,
		s.CPUSeconds, s.MemoryBytes>>20, s.Processes, state)
}
