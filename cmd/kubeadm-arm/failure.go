package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// reportFailure writes the board report of a run that failed, unless nothing was begun,
// and explains the failure.
func (r *boardRun) reportFailure() error {
	var refused *state.RefusedError
	if !r.outcome.Untouched && !errors.As(r.failure, &refused) {
		if _, err := r.writeBoardReport(); err != nil {
			printable.Fprintf(r.stderr, "(no board report: %v)\n", err)
		}
	}
	r.showReleased(r.outcome.Released)
	afresh := "start afresh with: kubeadm-arm reset"
	if r.command.Upgrades() {
		afresh = "go back to the version before with: kubeadm-arm abort"
	}
	again := fmt.Sprintf("repeat the same kubeadm-arm %s to resume it (or: kubeadm-arm resume); %s", r.command, afresh)
	if r.outcome.Untouched {
		again = fmt.Sprintf("nothing was changed; fix this and run kubeadm-arm %s again", r.command)
	}
	if r.stop.signal() != 0 {
		if r.outcome.Untouched {
			again = fmt.Sprintf("nothing was changed; run the same kubeadm-arm %s again", r.command)
		}
		return r.stop.interrupted(again)
	}
	defer r.showSeen()
	var cmd *kubeadm.CommandError
	if errors.As(r.failure, &cmd) {
		for _, line := range strings.Split(strings.TrimRight(cmd.Tail, "\n"), "\n") {
			printable.Fprintf(r.stderr, "  kubeadm: %s\n", kubeadm.Redact(line))
		}
		return &problem{cmd.ExitCode, nextStep(r.outcome, again), r.failure}
	}
	var stuck *await.StuckError
	if errors.As(r.failure, &stuck) {
		for _, line := range stuck.Log {
			printable.Fprintf(r.stderr, "  %s: %s\n", stuck.Component, kubeadm.Redact(line))
		}
		return &problem{exitStuck, nextStep(r.outcome, stuck.Hint()+"; then "+again), r.failure}
	}
	var node *await.NodeError
	if errors.As(r.failure, &node) {
		return &problem{exitStuck, nextStep(r.outcome, node.Hint()+"; then "+again), r.failure}
	}
	return r.failure
}

// showSeen prints what was seen on the board when a run failed: the API server's
// own last lines, unless the error carries them, and what may explain it.
func (r *boardRun) showSeen() {
	var stuck *await.StuckError
	if !errors.As(r.failure, &stuck) || stuck.Component != plan.APIServer {
		for _, line := range r.outcome.APIServerLog {
			printable.Fprintf(r.stderr, "  %s: %s\n", plan.APIServer, line)
		}
	}
	for _, f := range r.outcome.Findings {
		printable.Fprintf(r.stderr, "  seen: %s\n", f.What)
	}
}

// nextStep is one thing to do: that of the most telling finding that has one.
func nextStep(o bootstrap.Outcome, otherwise string) string {
	for _, f := range o.Findings {
		if f.Next != "" {
			return f.Next + "; then " + otherwise
		}
	}
	return otherwise
}

// showReleased says which manifests are the kubelet's again.
func (v invocation) showReleased(released []string) {
	if len(released) > 0 {
		printable.Fprintf(v.stderr, "kubeadm-arm: put back into the manifests folder: %s\n", strings.Join(released, ", "))
	}
}

// kubeadmOutput passes on what kubeadm prints when the owner asked kubeadm to
// be talkative.
func (v invocation) kubeadmOutput(a kubeadm.Args) io.Writer {
	if _, ok := a.Get("v"); ok {
		return kubeadm.Redacting(v.stderr)
	}
	return nil
}

// unitLog returns the last lines of a unit's log, or nothing where there is no
// systemd or no answer in time.
func unitLog(ctx context.Context, unit string) string {
	path := hwdetect.Find("/usr/local/bin:/usr/bin:/bin", "journalctl")
	if path == "" {
		return ""
	}
	res, err := kubeadm.Exec(ctx, kubeadm.Command{
		Path: path, Args: []string{"-u", unit, "--boot", "--lines=400", "--no-pager", "--output=cat"},
		Env: os.Environ(), Patience: kubeadm.AskPatience,
	})
	if err != nil {
		return ""
	}
	const most = 256 << 10
	return string(res.Stdout[max(0, len(res.Stdout)-most):])
}
