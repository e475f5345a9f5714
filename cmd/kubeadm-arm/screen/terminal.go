package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
)

// terminal shows a run on a terminal. No line is wider than that: one that wrapped could
// not be written over.
type terminal struct {
	out   io.Writer
	width int
	now   func() time.Time
	// ticks keep the clock of the step under way going.
	ticks <-chan time.Time
	stop  chan struct{}

	mu      sync.Mutex
	current *bootstrap.Event
	began   time.Time
}

func newTerminal(w io.Writer, width int) *terminal {
	return &terminal{out: w, width: max(width, 40), now: time.Now, stop: make(chan struct{})}
}

func (t *terminal) tick() {
	for {
		select {
		case <-t.stop:
			return
		case <-t.ticks:
			t.mu.Lock()
			t.redraw()
			t.mu.Unlock()
		}
	}
}

// Line implements Display.
func (t *terminal) Line(line string) { t.wrapped([]string{line}) }

// Begin implements Display.
func (t *terminal) Begin(r Run) {
	t.wrapped(header(r, false))
	go t.tick()
}

// Event implements Display.
func (t *terminal) Event(e bootstrap.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Kind {
	case bootstrap.StepBegun, bootstrap.StepWaiting:
		if e.Kind == bootstrap.StepBegun {
			t.began = e.Time
		}
		t.current = &e
		t.redraw()
	case bootstrap.StepDone:
		t.finish("  ok  ", e)
	case bootstrap.StepFailed:
		t.finish(" FAIL ", e)
	case bootstrap.Note:
		t.clear()
		t.wrapped([]string{"note: " + e.Detail})
		t.redraw()
	}
}

// Stop implements Display.
func (t *terminal) Stop() {
	close(t.stop)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		printable.Fprintln(t.out)
	}
}

// clear takes away the line of the step under way.
func (t *terminal) clear() { fmt.Fprint(t.out, "\r\x1b[K") }

// finish writes the last line of a step.
func (t *terminal) finish(word string, e bootstrap.Event) {
	t.current = nil
	t.clear()
	printable.Fprintln(t.out, t.cut(fmt.Sprintf("%s%-44s %8s", word, e.Step, text.Duration(e.Elapsed))))
}

// redraw writes the line of the step under way.
func (t *terminal) redraw() {
	e := t.current
	if e == nil {
		return
	}
	line := fmt.Sprintf(" %2d/%d %s: %s", e.Number, e.Total, e.Step,
		text.Duration(t.now().Sub(t.began).Truncate(time.Second)))
	if e.Expect > 0 {
		line += " of about " + text.Duration(e.Expect)
	}
	if e.Detail != "" {
		line += ", " + e.Detail
	}
	t.clear()
	printable.Fprintf(t.out, "%s", t.cut(line))
}

// cut makes a line fit, with one column free for the cursor.
func (t *terminal) cut(line string) string {
	line = printable.Line(line)
	if runes := []rune(line); len(runes) > t.width-1 {
		return string(runes[:t.width-2]) + "…"
	}
	return line
}

// wrapped writes lines that stay. A terminal that is narrower than Width wraps them itself.
func (t *terminal) wrapped(lines []string) {
	var b strings.Builder
	for _, line := range lines {
		wrap(&b, "", "  ", line)
	}
	_, _ = io.WriteString(t.out, b.String())
}
