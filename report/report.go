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
	// Board is what the board is, as hardware detection tells it; its fields are
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
	// Waited tells what the step waited for, empty if it only worked.
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
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
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

// fact is one field of the board, its path in the JSON spelled as words.
type fact struct{ name, value string }

// facts flattens the board. Lists of plain values become one fact; what is
// empty or false is left out.
func (r Report) facts() []fact {
	var board any
	if json.Unmarshal(r.Board, &board) != nil {
		return nil
	}
	var facts []fact
	var walk func(name string, value any)
	walk = func(name string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimSpace(name+" "+words(key)), v[key])
			}
		case []any:
			plain := make([]string, 0, len(v))
			for i, item := range v {
				switch item.(type) {
				case map[string]any, []any:
					walk(fmt.Sprintf("%s %d", name, i+1), item)
				default:
					plain = append(plain, fmt.Sprint(item))
				}
			}
			if len(plain) > 0 {
				facts = append(facts, fact{name, strings.Join(plain, ", ")})
			}
		case bool:
			if v {
				facts = append(facts, fact{name, "yes"})
			}
		case float64:
			if v != 0 {
				facts = append(facts, fact{name, number(name, v)})
			}
		case string:
			if v != "" {
				facts = append(facts, fact{name, v})
			}
		}
	}
	walk("", board)
	return facts
}

// number shows byte counts the way people read them; which they are only the
// name tells.
func number(name string, v float64) string {
	lower := strings.ToLower(name)
	if strings.HasSuffix(lower, "bytes") || strings.Contains(lower, "memory") && v >= 1<<20 {
		return bench.Format(v, "B")
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.4g", v)
}

// words turns deviceTreeModel into "device tree model".
func words(key string) string {
	var b strings.Builder
	runes := []rune(key)
	upper := func(i int) bool { return i >= 0 && i < len(runes) && 'A' <= runes[i] && runes[i] <= 'Z' }
	for i, c := range runes {
		switch {
		case c == '_' || c == '-':
			b.WriteByte(' ')
		case upper(i) && i > 0 && !upper(i-1):
			b.WriteByte(' ')
			if upper(i + 1) {
				b.WriteRune(c) // an abbreviation
			} else {
				b.WriteString(strings.ToLower(string(c)))
			}
		case upper(i) && i == 0 && !upper(1):
			b.WriteString(strings.ToLower(string(c)))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// span is a step's place on the time line, in seconds.
type span struct{ start, end float64 }

// spans lays the steps out, one after the other where they do not say when
// they began.
func (r Report) spans() []span {
	told := slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Start > 0 })
	var spans []span
	at := 0.0
	for _, s := range r.Steps {
		if told {
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
