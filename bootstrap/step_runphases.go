package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runPhases runs kubeadm, again if it fails and the plan allows it.
func (r *run) runPhases(ctx context.Context, s plan.RunPhases, w *work) error {
	if s.Name != "head" && s.Name != "all" {
		if err := r.pinVersion(); err != nil {
			return err
		}
	}
	args := r.phaseArgs(s, w.again)
	for ; ; w.attempts++ {
		lines := lineTeller(w.tell, r.Output)
		res, err := r.Runner(ctx, kubeadm.Command{Path: r.Kubeadm, Args: args, Env: r.Env, Output: lines, Signal: r.Signal})
		r.outcome.KubeadmCPU += res.CPU
		if err == nil {
			if words := closingWords(string(res.Stdout)); words != "" {
				r.outcome.ClosingWords = words
			}
			return r.keepWritten()
		}
		r.discardTorn()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if w.attempts >= s.Attempts {
			return err
		}
		r.Tell(Event{Time: r.now(), Kind: Note, Number: r.number, Step: s.Title(),
			Detail: fmt.Sprintf("attempt %d of %d failed: %s", w.attempts, s.Attempts, Redact(lastError(err)))})
		s = r.fromFailedPhase(s, err)
		args = r.phaseArgs(s, w.again)
		if err := r.sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// phaseArgs are the owner's arguments with a longer --skip-phases and, where
// the plan wants one, our copy of the configuration.
func (r *run) phaseArgs(s plan.RunPhases, again bool) []string {
	p := r.journal.Plan
	args := []string{"init"}
	var drop []string
	switch {
	case p.Config != nil && r.Config != nil:
		drop = []string{"config"}
	case p.Config != nil:
		for _, f := range r.Args.Flags {
			if !r.Behaviour.AllowedBesideConfig(f.Name) {
				drop = append(drop, f.Name)
			}
		}
	}
	drop = append(drop, "skip-phases", "ignore-preflight-errors")
	args = append(args, r.Args.Without(drop...)...)
	if p.Config != nil {
		args = append(args, "--config="+r.layout.ConfigCopy())
	} else if v := r.pinnedVersion(); v != "" && s.Name != "head" && s.Name != "all" {
		if _, given := r.Args.Get("kubernetes-version"); !given {
			args = append(args, "--kubernetes-version="+v)
		}
	}
	skip := r.ownerSkips()
	for _, phase := range r.Behaviour.AllBut(s.Keep...) {
		if !slices.Contains(skip, phase) {
			skip = append(skip, phase)
		}
	}
	if len(skip) > 0 {
		args = append(args, "--skip-phases="+strings.Join(skip, ","))
	}
	ignore := r.Args.List("ignore-preflight-errors")
	if again && slices.Contains(s.Keep, "preflight") && !slices.Contains(ignore, "all") {
		ignore = append(ignore, leftByUs()...)
	}
	if len(ignore) > 0 {
		args = append(args, "--ignore-preflight-errors="+strings.Join(ignore, ","))
	}
	return args
}

// leftByUs are the preflight checks that an interrupted run of ours makes fail
// by what it had written (cmd/kubeadm/app/preflight/checks.go).
func leftByUs() []string {
	var all []string
	for _, c := range plan.Components() {
		all = append(all, "FileAvailable--etc-kubernetes-manifests-"+c+".yaml")
	}
	return append(all, "DirAvailable--etc-kubernetes-manifests", "DirAvailable--var-lib-etcd", "Port-10250", "Port-6443", "Port-2379", "Port-2380", "Port-10257", "Port-10259")
}

func (r *run) ownerSkips() []string {
	if _, given := r.Args.Get("skip-phases"); given {
		return slices.Clone(r.Args.List("skip-phases"))
	}
	return r.Config.InitList("skipPhases")
}
