package main

import (
	"context"
	"errors"
	"os"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// unitLog returns the last lines of a unit's log, or nothing where there is no
// systemd or no answer in time.
func unitLog(ctx context.Context, unit string) string {
	path := hwdetect.Find("/usr/local/bin:/usr/bin:/bin", "journalctl")
	if path == "" {
		return ""
	}
	res, err := kubeadm.Exec(ctx, kubeadm.Command{Path: path, Args: []string{"-u", unit, "--boot", "--lines=400", "--no-pager", "--output=cat"},
		Env: os.Environ(), Patience: kubeadm.AskPatience})
	if err != nil {
		return ""
	}
	const most = 256 << 10
	return string(res.Stdout[max(0, len(res.Stdout)-most):])
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
