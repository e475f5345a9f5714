package screen

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// New is the display for people at w: on a terminal one line per step, the last of
// them kept up to date, elsewhere a log. term is $TERM.
func New(w io.Writer, term string) Display {
	if f, ok := w.(*os.File); ok && term != "dumb" {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			t := newTerminal(w, int(size.Col))
			t.ticks = time.NewTicker(time.Second).C
			return t
		}
	}
	return &log{out: w}
}

// header are the lines that say what is going to happen, with the reasons or without.
func header(r Run, reasons bool) []string {
	model := r.Model
	if model == "" {
		model = "this board"
	}
	lines := []string{fmt.Sprintf("kubeadm %s at %s on %s", r.Kubeadm, r.Path, model)}
	for _, warning := range r.Plan.Warnings {
		lines = append(lines, "warning: "+warning)
	}
	if r.Resumed {
		return append(lines, fmt.Sprintf("resuming the run that was interrupted after step %d of %d",
			r.Done, len(r.Plan.Steps)))
	}
	if r.Cached != "" {
		lines = append(lines, r.Cached)
	}
	for _, d := range r.Plan.Decisions {
		if d.Group == plan.GroupBoard || d.Name == plan.StagedStart || d.Name == plan.KeyAlgorithm {
			line := d.Name + ": " + d.Value
			if reasons {
				line += " (" + d.Reason + ")"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// WriteEnd says how a run that succeeded ended.
func WriteEnd(w io.Writer, e End) {
	digits := 1
	if e.CPU < time.Second {
		digits = 2 // on a fast board it is a tenth
	}
	first := fmt.Sprintf("%s in %s", e.Done, text.Duration(e.Took))
	if e.Restarts != NoComponents {
		first += fmt.Sprintf(", restarts of its components: %d", e.Restarts)
	}
	lines := []string{
		first,
		fmt.Sprintf("kubeadm-arm itself took %.*f s of CPU time and at most %.0f MB of memory",
			digits, e.CPU.Seconds(), float64(e.Peak)/1e6),
	}
	if e.Report != "" {
		lines = append(lines, "board report: "+e.Report)
	}
	writeLines(w, lines)
}

// writeLines writes lines whose words may be foreign; what cannot be written is not
// missed less by stopping.
func writeLines(w io.Writer, lines []string) {
	for _, line := range lines {
		_, _ = printable.Fprintln(w, line)
	}
}
