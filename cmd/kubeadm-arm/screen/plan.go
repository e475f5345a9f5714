package screen

import (
	"fmt"
	"io"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// WritePlan prints the plan of a dry run: the steps, and then what will differ from
// kubeadm's defaults. verbose adds the decisions that leave things as they are.
func WritePlan(w io.Writer, r Run, verbose bool) error {
	var b strings.Builder
	wrap(&b, "", "", fmt.Sprintf("Plan for kubeadm %s at %s", r.Kubeadm, r.Path))
	if r.Cached != "" {
		wrap(&b, "", "", r.Cached)
	}
	for _, warning := range r.Plan.Warnings {
		wrap(&b, "warning: ", "         ", warning)
	}
	b.WriteString("\nSteps\n")
	for i, s := range r.Plan.Steps {
		line := s.Title()
		if detail := s.Detail(); detail != "" {
			line += ": " + detail
		}
		wrap(&b, fmt.Sprintf("  %2d. ", i+1), "      ", line)
	}
	b.WriteString("\nWhat differs from kubeadm's defaults, and why\n")
	hidden := 0
	for _, g := range plan.Groups() {
		heading := "\n  " + string(g) + "\n"
		for _, d := range r.Plan.Decisions {
			if d.Group != g {
				continue
			}
			if d.Default && !verbose {
				hidden++
				continue
			}
			b.WriteString(heading)
			heading = ""
			wrap(&b, "    ", "        ", d.Name+": "+d.Value)
			wrap(&b, "      ", "      ", d.Reason)
		}
	}
	if hidden > 0 {
		fmt.Fprintf(&b, "\n  %d more decisions leave kubeadm's defaults or your own choices: --verbose\n", hidden)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap writes words that may be foreign.
func wrap(b *strings.Builder, first, indent, words string) {
	_ = text.Wrap(b, first, indent, printable.Line(words)) // a strings.Builder takes everything
}
