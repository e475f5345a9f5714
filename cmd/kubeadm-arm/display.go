package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// display shows a run: on a terminal one line per step that is kept up to date,
// elsewhere plain lines, as JSON one object per line. People's words go to
// standard error, so that standard output holds kubeadm's closing words only.
type display struct {
	mode  string // "terminal", "plain" or "json"
	out   io.Writer
	width int

	mu      sync.Mutex
	current *bootstrap.Event
	began   time.Time
	ticker  *time.Ticker
	stop    chan struct{}
	// lastPlain is when the last plain line about waiting was written.
	lastPlain time.Time
}

func (v invocation) display(output string) *display {
	d := &display{mode: "plain", out: v.rawStderr, stop: make(chan struct{})}
	if output == "json" {
		d.mode, d.out = "json", v.stdout
		return d
	}
	if f, ok := v.rawStderr.(*os.File); ok && v.getenv("TERM") != "dumb" {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			d.mode, d.width = "terminal", max(int(size.Col), 40)
			d.ticker = time.NewTicker(time.Second)
			go d.tick()
		}
	}
	return d
}

func (d *display) tick() {
	for {
		select {
		case <-d.stop:
			return
		case <-d.ticker.C:
			d.mu.Lock()
			d.redraw()
			d.mu.Unlock()
		}
	}
}

// plainEvery is how often a plain log hears that a step still waits.
const plainEvery = 15 * time.Second

func (d *display) event(e bootstrap.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.mode {
	case "json":
		// A line that cannot be written will not be missed less by stopping.
		_ = writeJSON(d.out, result{Kind: "event", Event: &e})
	case "terminal":
		d.terminal(e)
	default:
		d.plain(e)
	}
}

func (d *display) plain(e bootstrap.Event) {
	switch e.Kind {
	case bootstrap.StepBegun:
		d.lastPlain = e.Time
		printable.Fprintf(d.out, "[%d/%d] %s%s\n", e.Number, e.Total, e.Step, expected(e))
	case bootstrap.StepWaiting:
		if e.Time.Sub(d.lastPlain) >= plainEvery {
			d.lastPlain = e.Time
			printable.Fprintf(d.out, "[%d/%d] %s: %s, %s\n", e.Number, e.Total, e.Step, clock(e.Elapsed), e.Detail)
		}
	case bootstrap.StepDone:
		printable.Fprintf(d.out, "[%d/%d] %s: done in %s\n", e.Number, e.Total, e.Step, clock(e.Elapsed))
	case bootstrap.StepFailed:
		printable.Fprintf(d.out, "[%d/%d] %s: failed after %s\n", e.Number, e.Total, e.Step, clock(e.Elapsed))
	case bootstrap.Note:
		printable.Fprintf(d.out, "note: %s: %s\n", e.Step, e.Detail)
	}
}

func expected(e bootstrap.Event) string {
	if e.Expect <= 0 {
		return ""
	}
	return ", expected " + clock(e.Expect)
}

func (d *display) terminal(e bootstrap.Event) {
	switch e.Kind {
	case bootstrap.StepBegun, bootstrap.StepWaiting:
		if e.Kind == bootstrap.StepBegun {
			d.began = e.Time
		}
		d.current = &e
		d.redraw()
	case bootstrap.StepDone:
		d.current = nil
		printable.Fprintf(d.out, "\r\x1b[K  ok  %-44s %8s\n", e.Step, clock(e.Elapsed))
	case bootstrap.StepFailed:
		d.current = nil
		printable.Fprintf(d.out, "\r\x1b[K FAIL %-44s %8s\n", e.Step, clock(e.Elapsed))
	case bootstrap.Note:
		printable.Fprintf(d.out, "\r\x1b[Knote: %s\n", e.Detail)
		d.redraw()
	}
}

// redraw writes the line of the step under way.
func (d *display) redraw() {
	e := d.current
	if e == nil {
		return
	}
	line := fmt.Sprintf(" %2d/%d %-44s %8s", e.Number, e.Total, e.Step+expected(*e), clock(time.Since(d.began)))
	if e.Detail != "" {
		line += "  " + e.Detail
	}
	if runes := []rune(line); len(runes) > d.width-1 {
		line = string(runes[:d.width-2]) + "…"
	}
	printable.Fprintf(d.out, "\r\x1b[K%s", line)
}

func (d *display) end() {
	if d.ticker != nil {
		d.ticker.Stop()
	}
	close(d.stop)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mode == "terminal" && d.current != nil {
		printable.Fprintln(d.out)
	}
}

// clock formats a duration for people: 0.4 s, 12 s, 3 min 05 s.
func clock(t time.Duration) string {
	switch {
	case t < 10*time.Second:
		return fmt.Sprintf("%.1f s", t.Seconds())
	case t < 2*time.Minute:
		return fmt.Sprintf("%.0f s", t.Seconds())
	}
	t = t.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", t/time.Minute, t%time.Minute/time.Second)
}

// plan says in a few lines what is going to happen.
func (d *display) plan(b boardRun) {
	if d.mode == "json" {
		_ = writeJSON(d.out, result{Kind: "plan", Plan: &b.plan})
		return
	}
	name := b.board.Model
	if name == "" {
		name = "this board"
	}
	printable.Fprintf(d.out, "kubeadm %s at %s on %s\n", b.behaviour.Version, b.path, name)
	for _, w := range b.plan.Warnings {
		printable.Fprintf(d.out, "warning: %s\n", w)
	}
	if b.resume != nil {
		printable.Fprintf(d.out, "going on with the run that was interrupted after step %d of %d\n", b.resume.Done, len(b.plan.Steps))
		return
	}
	if b.reused {
		printable.Fprintln(d.out, reusedBench(b))
	}
	for _, x := range b.plan.Decisions {
		if slices.Contains([]string{"slowdown", "expected API server start", "expected bootstrap", "staging", "key algorithm"}, x.Name) {
			printable.Fprintf(d.out, "%s: %s (%s)\n", x.Name, x.Value, x.Reason)
		}
	}
}

func (d *display) done(o bootstrap.Outcome, took time.Duration, report string) {
	restarts := 0
	for _, n := range o.Restarts {
		restarts += n
	}
	printable.Fprintf(d.out, "control plane up in %s, restarts of its components: %d\n", clock(took), restarts)
	own := ownCost()
	digits := 1
	if own.cpu < time.Second {
		digits = 2 // on a fast board it is a tenth
	}
	printable.Fprintf(d.out, "kubeadm-arm itself took %.*f s of CPU time and at most %.0f MB of memory\n", digits, own.cpu.Seconds(), float64(own.peak)/1e6)
	if report != "" {
		printable.Fprintf(d.out, "board report: %s\n", report)
	}
}

// writePlan prints a whole plan.
func writePlan(w io.Writer, b boardRun) {
	printable.Fprintf(w, "Plan for kubeadm %s at %s\n\nDecisions\n", b.behaviour.Version, b.path)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range b.plan.Decisions {
		printable.Fprintf(t, "  %s\t%s\t%s\n", d.Name, d.Value, d.Reason)
	}
	t.Flush()
	if b.reused {
		printable.Fprintln(w, reusedBench(b))
	}
	for _, text := range b.plan.Warnings {
		printable.Fprintf(w, "warning: %s\n", text)
	}
	printable.Fprintf(w, "\nSteps\n")
	for i, s := range b.plan.Steps {
		printable.Fprintf(w, "  %2d. %s%s\n", i+1, s.Title(), stepDetail(s))
	}
}

// reusedBench says where the figures come from.
func reusedBench(b boardRun) string {
	return fmt.Sprintf("measured before: the board has not been booted since the benchmark of %s (%s)", b.bench.Started.Format("2006-01-02 15:04:05 MST"), keptBench)
}

func stepDetail(s plan.Step) string {
	switch s := s.(type) {
	case plan.RunPhases:
		return ": " + strings.Join(s.Keep, ", ")
	case plan.StageManifests:
		return ": " + strings.Join(s.Components, ", ")
	case plan.AwaitHealthy:
		return fmt.Sprintf(": expected %s; given up when nothing moves for %s, nothing new comes for %s, or after %d restarts",
			clock(s.Expect), clock(s.Quiet), clock(s.Patience), s.Restarts)
	case plan.KubeletCertificates:
		var made []string
		if s.Client {
			made = append(made, "client")
		}
		if s.Serving {
			made = append(made, "serving")
		}
		return ": " + strings.Join(made, ", ")
	case plan.TuneServices:
		return fmt.Sprintf(": kubelet, container runtime; their timers may fire %s late", s.TimerSlack)
	case plan.PatchManifests:
		var names []string
		for c := range s.Settings {
			names = append(names, c)
		}
		sort.Strings(names)
		return ": " + strings.Join(names, ", ")
	}
	return ""
}

// result is one line of JSON output.
type result struct {
	Kind    string           `json:"kind"`
	Event   *bootstrap.Event `json:"event,omitempty"`
	Plan    *plan.Plan       `json:"plan,omitempty"`
	Outcome *outcomeDoc      `json:"outcome,omitempty"`
	Storage *storage.Plan    `json:"storage,omitempty"`
	Report  string           `json:"report,omitempty"`
	Doctor  *doctor.Report   `json:"doctor,omitempty"`
}

// cost is what this process has used.
type cost struct {
	cpu  time.Duration
	peak int64 // bytes of resident memory
}

// ownCost asks getrusage(2); kubeadm's processes are not in it. The kernel
// counts the peak in KiB.
func ownCost() cost {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return cost{}
	}
	return cost{time.Duration(u.Utime.Nano() + u.Stime.Nano()), int64(u.Maxrss) << 10} //nolint:unconvert // 32 bits wide on some architectures
}

// outcomeDoc is the outcome in JSON, in seconds.
type outcomeDoc struct {
	Seconds  float64        `json:"seconds"`
	Restarts map[string]int `json:"restarts"`
	// OwnCPUSeconds and OwnPeakBytes are kubeadm-arm's own cost.
	OwnCPUSeconds float64 `json:"ownCPUSeconds"`
	OwnPeakBytes  int64   `json:"ownPeakBytes"`
	ClosingWords  string  `json:"closingWords"`
}

func outcomeJSON(o bootstrap.Outcome, took time.Duration) *outcomeDoc {
	own := ownCost()
	return &outcomeDoc{Seconds: took.Seconds(), Restarts: o.Restarts, OwnCPUSeconds: own.cpu.Seconds(), OwnPeakBytes: own.peak, ClosingWords: o.ClosingWords}
}

func writeJSON(w io.Writer, x any) error { return json.NewEncoder(w).Encode(x) }
