package main

import (
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// runReset is kubeadm's, and after its success everything of ours goes too. What only
// shows something, asks for one phase or for another root folder, or cannot be parsed,
// is kubeadm's alone.
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
	for _, l := range left {
		fmt.Fprintf(v.stderr, "kubeadm-arm: left as it is: %s\n", l)
	}
	if err != nil {
		return err
	}
	units, err := certsBoard().RemoveUnits()
	for _, r := range append(removed, units...) {
		printable.Fprintf(v.stderr, "kubeadm-arm: removed %s\n", r)
	}
	return err
}
