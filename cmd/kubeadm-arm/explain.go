package main

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// unitLog returns the last lines of a unit's log, or nothing where there is no
// systemd or no answer in time.
func unitLog(unit string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "-u", unit, "--boot", "--lines=400", "--no-pager", "--output=cat").Output()
	if err != nil {
		return ""
	}
	const most = 256 << 10
	return string(out[max(0, len(out)-most):])
}

// showSeen prints what was seen on the board when a run failed: the API server's
// own last lines, unless the error carries them, and what may explain it.
func (v invocation) showSeen(o bootstrap.Outcome, err error) {
	var stuck *bootstrap.StuckError
	if !errors.As(err, &stuck) || stuck.Component != plan.APIServer {
		for _, line := range o.APIServerLog {
			printable.Fprintf(v.stderr, "  %s: %s\n", plan.APIServer, line)
		}
	}
	for _, f := range o.Findings {
		printable.Fprintf(v.stderr, "  seen: %s\n", f.What)
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
