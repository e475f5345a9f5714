package screen

import (
	"fmt"
	"io"
	"sort"
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
		wrap(&b, fmt.Sprintf("  %2d. ", i+1), "      ", s.Title()+stepDetail(s))
	}
	b.WriteString("\nWhat differs from kubeadm's defaults\n")
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

func stepDetail(s plan.Step) string {
	switch s := s.(type) {
	case plan.RunPhases:
		return ": " + strings.Join(s.Keep, ", ")
	case plan.StageManifests:
		return ": " + strings.Join(s.Components, ", ")
	case plan.AwaitHealthy:
		return fmt.Sprintf(": expected %s; given up when nothing moves for %s, nothing new comes for %s, or after %d restarts",
			text.Duration(s.Expect), text.Duration(s.Quiet), text.Duration(s.Patience), s.Restarts)
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
