package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// Markdown writes a report for a repository or an issue: GitHub's tables, no HTML.
func Markdown(w io.Writer, r Report) error {
	m := &markdown{}
	m.line("# Board report: %s", inline(r.Title()))
	m.line("%s UTC", r.Created.UTC().Format("2006-01-02 15:04"))
	if r.Outcome != nil {
		m.line("**%s**", inline(r.Outcome.sentence()))
	}
	if facts := r.facts(); len(facts) > 0 {
		m.line("## Board")
		m.table([]string{"", ""}, len(facts), func(i int) []string { return []string{facts[i].name, facts[i].value} })
	}
	if r.Bench != nil {
		m.line("## Speed")
		m.line("%s.", inline(bench.Summary(*r.Bench)))
		for _, t := range bench.Tables(*r.Bench) {
			m.table(append([]string{t.Title}, t.Header...), len(t.Rows), func(i int) []string { return t.Rows[i] })
		}
		m.list(append(bench.Notes(*r.Bench), bench.SampleWarnings(*r.Bench)...))
	}
	if len(r.Plan) > 0 {
		m.line("## Plan")
		m.table([]string{"decision", "value", "reason"}, len(r.Plan), func(i int) []string {
			return []string{r.Plan[i].Name, r.Plan[i].Value, r.Plan[i].Reason}
		})
	}
	if len(r.Steps) > 0 {
		m.line("## Steps")
		spans := r.spans()
		m.table([]string{"step", "start", "duration", "predicted", "waited for", "restarts"}, len(r.Steps),
			func(i int) []string {
				s := r.Steps[i]
				name := s.Name
				if s.Error != "" {
					name += " (failed: " + s.Error + ")"
				}
				return []string{name, bench.Format(spans[i].start, "s"), bench.Format(s.Seconds, "s"), predicted(s), s.Waited,
					s.restarts()}
			})
	}
	if len(r.Versions) > 0 {
		m.line("## Versions")
		names := slices.Sorted(maps.Keys(r.Versions))
		m.table([]string{"", ""}, len(names), func(i int) []string { return []string{names[i], r.Versions[names[i]]} })
	}
	_, err := io.WriteString(w, m.text.String())
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func predicted(s Step) string {
	if s.Predicted <= 0 {
		return ""
	}
	return bench.Format(s.Predicted, "s")
}

func (o Outcome) sentence() string {
	text := o.Text
	if text == "" {
		text = "the bootstrap failed"
		if o.OK {
			text = "the control plane is ready"
		}
	}
	text += fmt.Sprintf(" after %s", bench.Format(o.Seconds, "s"))
	if o.CPU > 0 {
		text += fmt.Sprintf(", %s of CPU time", bench.Format(o.CPU, "s"))
	}
	return text
}

type markdown struct{ text strings.Builder }

// line writes a paragraph or heading with an empty line before it.
func (m *markdown) line(format string, args ...any) {
	if m.text.Len() > 0 {
		m.text.WriteByte('\n')
	}
	fmt.Fprintf(&m.text, format+"\n", args...)
}

func (m *markdown) table(header []string, rows int, row func(i int) []string) {
	m.text.WriteByte('\n')
	m.row(header)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "---"
	}
	m.row(rule)
	for i := range rows {
		m.row(row(i))
	}
}

func (m *markdown) row(cells []string) {
	for _, c := range cells {
		m.text.WriteString("| " + inline(c) + " ")
	}
	m.text.WriteString("|\n")
}

func (m *markdown) list(items []string) {
	if len(items) > 0 {
		m.text.WriteByte('\n')
	}
	for _, item := range items {
		m.text.WriteString("- " + inline(item) + "\n")
	}
}

// markup are the characters that mean something in GitHub's Markdown, within a line,
// and "://", of which it makes links by itself (github.github.com/gfm). The backslash
// is one of them: it would take the meaning from ours.
var markup = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "&", "&amp;", "*", `\*`, "`", "\\`", "[", `\[`, "://", `:\//`, "www.", `www\.`, "@", `\@`)

// inline makes any text harmless within a table's cell.
func inline(text string) string {
	return markup.Replace(printable.Line(strings.NewReplacer("\r", "", "\n", " ").Replace(text)))
}
