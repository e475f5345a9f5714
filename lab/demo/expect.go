package main

import (
	"errors"
	"fmt"
	"strings"

	flag "github.com/spf13/pflag"
)

// expectations are what a run of the demo must show.
type expectations struct {
	stockFails, stockWorks bool
	recipeFails, illegal   bool
	ratio                  float64
	idle                   float64 // share of all cores
	memory                 float64 // MB
}

// flags are those of every command.
func (e *expectations) flags(f *flag.FlagSet) {
	f.Float64Var(&e.memory, "expect-memory", 40, "fail if kubeadm-arm itself uses more than this many MB")
}

// compareFlags are those of commands with several tools.
func (e *expectations) compareFlags(f *flag.FlagSet) {
	f.BoolVar(&e.stockFails, "expect-stock-fails", false, "fail unless every stock run fails")
	f.BoolVar(&e.stockWorks, "expect-stock-works", false, "fail unless every stock run succeeds")
	f.BoolVar(&e.recipeFails, "expect-recipe-fails", false, "fail unless every run of the recipe fails")
	f.BoolVar(&e.illegal, "expect-illegal", false, "fail unless kubeadm-v7 dies of SIGILL and kubeadm-arm refuses it")
	f.Float64Var(&e.ratio, "expect-ratio", 0, "fail if kubeadm-arm's median time is more than this times stock's")
}

// check returns every expectation that was missed.
func (e expectations) check(runs []run) error {
	var missed error
	miss := func(format string, args ...any) { missed = errors.Join(missed, fmt.Errorf(format, args...)) }
	for _, r := range runs {
		if r.Invalid != "" {
			continue
		}
		for _, m := range r.Missed {
			miss("%s: %s", r.Tool, m)
		}
		if r.Tool == stock {
			if e.stockFails && r.OK {
				miss("the stock kubeadm init succeeded")
			}
			if e.stockWorks && !r.OK {
				miss("the stock kubeadm init failed: %s", r.Reason)
			}
			continue
		}
		if r.Tool == recipe && e.recipeFails && r.OK {
			miss("the recipe by hand succeeded")
		}
		if e.illegal && (r.Tool == armv7 && r.Reason != "ended by SIGILL" || r.Tool == refused &&
			!strings.Contains(r.Reason, "it would die with Illegal instruction")) {
			miss("%s: %s", r.Tool, r.Reason)
		}
		if !isArm(r.Tool) {
			continue
		}
		if !r.OK {
			miss("kubeadm-arm init failed: %s", r.Reason)
			continue
		}
		if !r.NodeReady {
			miss("the node did not become Ready")
		}
		for component, n := range r.Restarts {
			if n > r.startsAgain(component) {
				miss("%s was restarted %d times", component, n)
			}
		}
		if len(r.Manifests) != 4 {
			miss("the manifests folder holds %v", r.Manifests)
		}
		if r.OwnMB == 0 || r.OwnMB > e.memory {
			miss("kubeadm-arm used %.0f MB of memory", r.OwnMB)
		}
		if r.Idle != nil && e.idle > 0 && r.Idle.share() > e.idle {
			miss("the idle board is %.0f %% busy, want at most %.0f %%", 100*r.Idle.share(), 100*e.idle)
		}
		if r.Reboot != nil && !r.Reboot.NodeReady {
			miss("after the power cut the control plane did not come back")
		}
		if len(r.Left) > 0 {
			miss("left behind in /etc/kubernetes: %v", r.Left)
		}
	}
	if e.ratio > 0 {
		s, a := median(runs, stock), median(runs, arm)
		if s == 0 || a == 0 || a > e.ratio*s {
			miss("kubeadm-arm took %.1f s, stock %.1f s: more than %.2f times as long", a, s, e.ratio)
		}
	}
	return missed
}
