package main

import (
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// runAbort is `kubeadm-arm abort`.
func (v invocation) runAbort(options) error {
	if err := needRoot("abort"); err != nil {
		return err
	}
	released, err := bootstrap.Abort(board())
	v.showReleased(released)
	if err != nil {
		return err
	}
	printable.Fprintln(v.stdout, "gave up the interrupted run; what kubeadm has made stays until kubeadm reset")
	return nil
}
