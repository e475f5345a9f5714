package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
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
		printable.Fprintf(w, "  command\t%s\n  kubeadm\t%s\n  started\t%s (board clock)\n  steps\t%d of %d done\n",
			s.Command, s.Kubeadm, s.Started, s.Done, s.Steps)
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

// runResume is `kubeadm-arm resume`: the interrupted command with its own arguments.
func (v invocation) runResume(o options) error {
	own, err := v.ownFlags(o)
	if err != nil {
		return err
	}
	own.anyway = o.on("anyway")
	if err := needRoot("resume"); err != nil {
		return err
	}
	j, err := bootstrap.Interrupted(board())
	if err != nil {
		return err
	}
	return v.resumeRun(j, own)
}

// resumeRun goes on with an interrupted run.
func (v invocation) resumeRun(j *journal.Journal, own ownFlags) error {
	args, err := j.Resumable(board())
	if err != nil {
		return err
	}
	own.journal = j
	if own.kubeadmPath == "" && exists(j.Kubeadm) {
		own.kubeadmPath = j.Kubeadm
	}
	return v.runStages(j.Plan.Command, own, args)
}

// runAbort is `kubeadm-arm abort`.
func (v invocation) runAbort(options) error {
	if err := needRoot("abort"); err != nil {
		return err
	}
	if interrupted, err := bootstrap.Interrupted(board()); err == nil && interrupted.Plan.Command == kubeadm.UpgradeApply {
		if back, err := bootstrap.TurnBack(board()); err != nil || back != nil {
			return errors.Join(err, v.goBack(back))
		}
	}
	released, err := bootstrap.Abort(board())
	v.showReleased(released)
	if err != nil {
		return err
	}
	printable.Fprintln(v.stdout, "gave up the interrupted run; what kubeadm has made stays until kubeadm reset")
	return nil
}

// goBack carries out the way back from an upgrade, which a journal records.
func (v invocation) goBack(j *journal.Journal) error {
	if j == nil {
		return nil
	}
	printable.Fprintln(v.stderr, "kubeadm-arm: back to the version before the upgrade; what was written to the cluster "+
		"since is not in it, but is kept in etcd's data folder")
	return v.resumeRun(j, ownFlags{output: "text", reportDir: defaultReports, anyway: true})
}

// runReset runs kubeadm reset and, once that has succeeded, removes kubeadm-arm's own
// files, too. A reset that only shows something, that is of one phase or of another root
// folder, or that cannot be parsed, is left to kubeadm.
func (v invocation) runReset(args []string) error {
	rest, asked, err := v.ownKubeadm(args)
	if err != nil {
		return err
	}
	a, err := kubeadm.ParseArgs(rest, append(kubeadm.InitFlags(), kubeadm.OtherFlags()...))
	if err != nil || !isRoot() || len(a.Words) > 1 || hasRootfs(a) || a.Bool("help") || a.Bool("dry-run") {
		return v.passThrough(args)
	}
	path, err := v.runnableKubeadm(asked)
	if err != nil {
		return err
	}
	removed, left, err := bootstrap.Reset(board(), func() error { return v.child(path, rest) })
	// Nothing is printed before all is done: whoever reads it may be gone (SIGPIPE).
	if err == nil {
		var units []string
		units, err = certsBoard().RemoveUnits()
		removed = append(removed, units...)
	}
	for _, l := range left {
		fmt.Fprintf(v.stderr, "kubeadm-arm: left as it is: %s\n", l)
	}
	for _, r := range removed {
		printable.Fprintf(v.stderr, "kubeadm-arm: removed %s\n", r)
	}
	return err
}
