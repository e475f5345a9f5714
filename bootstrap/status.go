package bootstrap

import (
	"os"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Status is what `kubeadm-arm status` shows. Nothing in it is secret.
type Status struct {
	// State is none, running, interrupted, starting or unreadable. Starting is a
	// board that was switched on and puts its control plane back part by part.
	State string `json:"state"`
	// Problem is why the journal cannot be read.
	Problem string `json:"problem,omitempty"`
	// Writer is the process that is running, or that ran last.
	Writer *state.Holder `json:"writer,omitempty"`
	// Command is kubeadm's command that the run is of.
	Command kubeadm.Verb `json:"command,omitempty"`
	Started string       `json:"started,omitempty"`
	Kubeadm string       `json:"kubeadm,omitempty"`
	// Steps and Done count the plan's steps; Step is the one under way, or the next.
	Steps int    `json:"steps,omitempty"`
	Done  int    `json:"done,omitempty"`
	Step  string `json:"step,omitempty"`
	Begun bool   `json:"begun,omitempty"`
	// Manifests reports for each of the four where it is: in place, staged, both or
	// missing.
	Manifests map[string]string `json:"manifests,omitempty"`
	Unit      bool              `json:"unit"`
	Next      string            `json:"next,omitempty"`
}

// ReadStatus looks, changing nothing.
func ReadStatus(l state.Layout) (Status, error) {
	s := Status{State: "none", Manifests: map[string]string{}}
	holder, held, err := state.Holding(l)
	if err != nil {
		return s, err
	}
	for _, c := range plan.Components() {
		inPlace, staged := durable.Exists(l.Manifest(c)), manifests.StagedAt(l, c) != ""
		switch {
		case inPlace && staged:
			s.Manifests[c] = "both"
		case inPlace:
			s.Manifests[c] = "in place"
		case staged:
			s.Manifests[c] = "staged"
		default:
			s.Manifests[c] = "missing"
		}
	}
	s.Unit = durable.Exists(l.Unit())
	j, err := journal.Read(l.Journal())
	switch {
	case err != nil:
		s.State, s.Problem, s.Next = "unreadable", err.Error(), giveUp("")
	case j == nil && held:
		s.State, s.Writer, s.Next = "running", &holder, "wait for it"
	case j == nil && len(manifests.Staged(l)) > 0 && durable.Exists(l.BootList()):
		s.State, s.Next = "starting", "wait for it: each is put back once those before it are healthy; at once: "+
			"kubeadm-arm release"
	case j == nil && len(manifests.Staged(l)) > 0:
		s.State, s.Next = "interrupted", "put the staged manifests back with: kubeadm-arm abort"
	case j != nil:
		s.Command = j.Plan.Command
		s.Started, s.Kubeadm = j.Started.UTC().Format(time.RFC3339), j.KubeadmVersion
		s.Steps, s.Done, s.Begun, s.Writer = len(j.Plan.Steps), j.Done, j.Begun, &j.Writer
		if j.Done < len(j.Plan.Steps) {
			s.Step = j.Plan.Steps[j.Done].Title()
		}
		s.State, s.Next = "interrupted", "go on with: kubeadm-arm resume; "+giveUp(j.Plan.Command)
		if held || state.Alive(l, j.Writer) && j.Writer.PID != os.Getpid() {
			s.State, s.Next = "running", "wait for it, or end it with Ctrl-C where it runs"
		}
	}
	return s, nil
}
