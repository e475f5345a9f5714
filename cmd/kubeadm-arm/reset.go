package main

import (
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

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
	path, err := v.realKubeadm(asked)
	if err != nil {
		return err
	}
	if err := refuseIllegal(path); err != nil {
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
