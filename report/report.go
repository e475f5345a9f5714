package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// Schema names the form of a Report as JSON.
const Schema = "kubeadm-arm.report/v1"

// Report is about one board and one run. Only Schema and Created are always
// there: `kubeadm-arm bench` knows no steps, a failed start may know no benchmark.
type Report struct {
	Schema  string    `json:"schema"`
	Created time.Time `json:"created"`
	// Label is the owner's word for this board or run, such as "SSD, 1.2 GHz".
	Label string `json:"label,omitempty"`
	// Board is what the board is, as hardware detection found it; its fields are
	// shown as they are. See SetBoard.
	Board json.RawMessage `json:"board,omitempty"`
	Bench *bench.Result   `json:"bench,omitempty"`
	// Plan are the decisions, in the order they were made.
	Plan []Decision `json:"plan,omitempty"`
	// Steps are what was done, in the order it was begun.
	Steps []Step `json:"steps,omitempty"`
	// Versions are of programs: kubeadm-arm, kubeadm, kernel, …
	Versions map[string]string `json:"versions,omitempty"`
	Outcome  *Outcome          `json:"outcome,omitempty"`
}

// Decision is a value the plan chose, and why.
type Decision struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// Step is one measured step of a bootstrap.
type Step struct {
	Name string `json:"name"`
	// Start is in seconds since the bootstrap began. Where all are 0 the steps
	// followed each other without a gap.
	Start   float64 `json:"start"`
	Seconds float64 `json:"seconds"`
	// Predicted is what the plan expected, in seconds; 0 if it expected nothing.
	Predicted float64 `json:"predicted,omitempty"`
	// Waited reports what the step waited for, empty if it only worked.
	Waited string `json:"waited,omitempty"`
	// Restarts counts containers that were started again meanwhile, by component.
	Restarts map[string]int `json:"restarts,omitempty"`
	// Error is why the step failed, empty if it did not.
	Error string `json:"error,omitempty"`
}

// Outcome is how a bootstrap ended.
type Outcome struct {
	OK bool `json:"ok"`
	// Text is a sentence for people.
	Text string `json:"text,omitempty"`
	// Seconds passed from the first step to the last.
	Seconds float64 `json:"seconds"`
	// CPU is the CPU time that the board spent meanwhile, in seconds; 0 if unknown.
	CPU float64 `json:"cpu,omitempty"`
}

// New returns an empty report made at that time.
func New(created time.Time) Report {
	return Report{Schema: Schema, Created: created.UTC().Truncate(time.Second)}
}

// SetBoard puts in what hardware detection found: any value that JSON can hold.
func (r *Report) SetBoard(board any) error {
	text, err := json.Marshal(board)
	if err != nil {
		return fmt.Errorf("encode the board for the report: %w", err)
	}
	r.Board = text
	return nil
}

// JSON writes r, indented, with a newline at the end.
func JSON(w io.Writer, r Report) error {
	// With < and > escaped: a page that takes the text in must not take it for markup.
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Title names the report: the owner's label, the board's model, or its processor.
func (r Report) Title() string {
	if r.Label != "" {
		return r.Label
	}
	for _, fact := range r.facts() {
		if strings.EqualFold(fact.name, "model") && fact.value != "" {
			return fact.value
		}
	}
	if r.Bench != nil {
		return fmt.Sprintf("a board with %d %s CPUs", r.Bench.Runtime.CPUs, r.Bench.Runtime.Arch)
	}
	return "an unknown board"
}

// span is a step's place on the time line, in seconds.
type span struct{ start, end float64 }

// spans lays the steps out, one after the other where they do not say when
// they began.
func (r Report) spans() []span {
	timed := slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Start > 0 })
	var spans []span
	at := 0.0
	for _, s := range r.Steps {
		if timed {
			at = s.Start
		}
		spans = append(spans, span{at, at + s.Seconds})
		at += s.Seconds
	}
	return spans
}

// restarts counts all restarts of a step.
func (s Step) restarts() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Restarts)) {
		if n := s.Restarts[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(all, ", ")
}
