package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// Text writes a comparison as a table for a terminal.
func (c Comparison) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printable.Row(t, c.header()...)
	for _, row := range c.Rows {
		printable.Row(t, row.text()...)
	}
	if len(c.Warnings) > 0 {
		printable.Fprintln(t)
	}
	for _, warning := range c.Warnings {
		printable.Fprintln(t, "warning:", warning)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

// Markdown writes a comparison for a repository or an issue.
func (c Comparison) Markdown(w io.Writer) error {
	m := &markdown{}
	m.line("# Comparison: %s", inline(strings.Join(c.Names, ", ")))
	m.table(c.header(), len(c.Rows), func(i int) []string { return c.Rows[i].text() })
	m.list(c.Warnings)
	if _, err := io.WriteString(w, m.text.String()); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

func (c Comparison) header() []string {
	header := []string{"measurement", c.Names[0]}
	for _, name := range c.Names[1:] {
		header = append(header, name, "against "+c.Names[0])
	}
	return header
}

func (r Row) text() []string {
	cells := []string{r.title(), r.Cells[0].figure(r.Unit)}
	for _, cell := range r.Cells[1:] {
		cells = append(cells, cell.figure(r.Unit), cell.Judgement())
	}
	return cells
}

func (r Row) title() string {
	if strings.HasPrefix(r.Name, stepPrefix) {
		return r.Name
	}
	return r.Name + ", " + r.Clock
}

// figure is the median with its confidence interval.
func (c Cell) figure(unit string) string {
	switch {
	case c.N == 0:
		return "–"
	case c.Low == 0 && c.High == 0 || c.Median == 0:
		return bench.Format(c.Median, unit)
	}
	return fmt.Sprintf("%s ±%.0f%%", bench.Format(c.Median, unit), 100*max(c.High/c.Median-1, 1-c.Low/c.Median))
}

// Judgement is the verdict in words, such as "2.4 times slower" or
// "noise: -3 % (p = 0.40)".
func (c Cell) Judgement() string {
	if c.Ratio == 0 {
		if c.Why != "" {
			return c.Why
		}
		return "–"
	}
	change := fmt.Sprintf("%+.0f %%", 100*(c.Ratio-1))
	switch {
	case c.Ratio >= 2:
		change = fmt.Sprintf("%.1f times", c.Ratio)
	case c.Ratio <= 0.5:
		change = fmt.Sprintf("1/%.1f", 1/c.Ratio)
	}
	switch c.Verdict {
	case Faster, Slower:
		if factor := max(c.Ratio, 1/c.Ratio); factor >= 2 {
			return fmt.Sprintf("%.1f times %s", factor, c.Verdict)
		}
		return fmt.Sprintf("%s: %s", c.Verdict, change)
	}
	return fmt.Sprintf("%s: %s (%s)", c.Verdict, change, c.Why)
}
