package drive

import (
	"bytes"
	"os/exec"
)

// Disturbed is how a command went that a fault was to disturb.
type Disturbed struct {
	// Early says that the command had ended before, and nothing was done.
	Early bool
	// Ended is how the command ended.
	Ended error
}

// Disturb runs a command, does fault while it runs, as soon as there is something to be
// received from when, and returns once both have ended. The error is the fault's. Faults
// are what boards meet: a power cut is Reboot, an interruption a signal to a program on
// the board.
func Disturb[T any](cmd *exec.Cmd, when <-chan T, fault func() error) (Disturbed, error) {
	if err := cmd.Start(); err != nil {
		return Disturbed{Early: true, Ended: err}, nil
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return Disturbed{Early: true, Ended: err}, nil
	case <-when:
	}
	err := fault()
	return Disturbed{Ended: <-ended}, err
}

// Trigger is a writer that closes Seen once Text has been written to it.
type Trigger struct {
	Text string
	Seen chan struct{}
	last []byte
}

// NewTrigger waits for a text; without one it never closes Seen.
func NewTrigger(text string) *Trigger { return &Trigger{Text: text, Seen: make(chan struct{})} }

func (t *Trigger) Write(b []byte) (int, error) {
	if t.Text == "" {
		return len(b), nil
	}
	t.last = append(t.last, b...)
	if bytes.Contains(t.last, []byte(t.Text)) {
		t.Text = ""
		close(t.Seen)
	}
	// The text may come in several pieces.
	t.last = t.last[max(0, len(t.last)-len(t.Text)):]
	return len(b), nil
}
