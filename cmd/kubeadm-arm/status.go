package main

import (
	"text/tabwriter"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runStatus is `kubeadm-arm status`.
func (v invocation) runStatus(o options) error {
	if err := needRoot("status"); err != nil {
		return err
	}
	s, err := bootstrap.ReadStatus(board())
	if err != nil {
		return err
	}
	held := kubeletHeld()
	if o.text("output") == "json" {
		return writeJSON(v.stdout, struct {
			bootstrap.Status
			// KubeletHeld says why the kubelet does not start yet.
			KubeletHeld string `json:"kubeletHeld,omitempty"`
		}{s, held})
	}
	if held != "" {
		printable.Fprintln(v.stdout, held)
	}
	return v.showStatus(s)
}

func (v invocation) showStatus(s bootstrap.Status) error {
	words := map[string]string{
		"none":        "no run of kubeadm-arm is under way or interrupted",
		"running":     "a run is under way",
		"interrupted": "a run was interrupted",
		"starting":    "the board is starting its control plane, part by part",
		"unreadable":  "there is a journal that cannot be read: " + s.Problem,
	}
	printable.Fprintln(v.stdout, words[s.State])
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	if s.Writer != nil {
		printable.Fprintf(w, "  process\t%s\n", s.Writer)
	}
	if s.Steps > 0 {
		printable.Fprintf(w, "  kubeadm\t%s\n  started\t%s (board clock)\n  steps\t%d of %d done\n",
			s.Kubeadm, s.Started, s.Done, s.Steps)
	}
	if s.Step != "" {
		state := "next"
		if s.Begun {
			state = "started"
		}
		printable.Fprintf(w, "  step\t%s (%s)\n", s.Step, state)
	}
	for _, c := range plan.Components() {
		printable.Fprintf(w, "  %s\t%s\n", c, s.Manifests[c])
	}
	if s.Next != "" {
		printable.Fprintf(w, "  next\t%s\n", s.Next)
	}
	return w.Flush()
}
