package screen

import (
	"io"
	"sync"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
)

// waitEvery is how often a log says that a step still waits.
const waitEvery = 15 * time.Second

// log shows a run where there is no terminal: a line for each event, of any length.
type log struct {
	out io.Writer

	mu sync.Mutex
	// last is when a line about the step under way was last written.
	last time.Time
}

// Line implements Display.
func (l *log) Line(line string) { writeLines(l.out, []string{line}) }

// Begin implements Display.
func (l *log) Begin(r Run) { writeLines(l.out, header(r, true)) }

// Event implements Display.
func (l *log) Event(e bootstrap.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case bootstrap.StepBegun:
		l.last = e.Time
		expected := ""
		if e.Expect > 0 {
			expected = ", expected " + text.Duration(e.Expect)
		}
		printable.Fprintf(l.out, "[%d/%d] %s%s\n", e.Number, e.Total, e.Step, expected)
	case bootstrap.StepWaiting:
		if e.Time.Sub(l.last) >= waitEvery {
			l.last = e.Time
			printable.Fprintf(l.out, "[%d/%d] %s: %s, %s\n", e.Number, e.Total, e.Step, text.Duration(e.Elapsed), e.Detail)
		}
	case bootstrap.StepDone:
		printable.Fprintf(l.out, "[%d/%d] %s: done in %s\n", e.Number, e.Total, e.Step, text.Duration(e.Elapsed))
	case bootstrap.StepFailed:
		printable.Fprintf(l.out, "[%d/%d] %s: failed after %s\n", e.Number, e.Total, e.Step, text.Duration(e.Elapsed))
	case bootstrap.Note:
		printable.Fprintf(l.out, "note: %s: %s\n", e.Step, e.Detail)
	}
}

// Stop implements Display.
func (l *log) Stop() {}
