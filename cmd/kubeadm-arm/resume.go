package main

import (
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
)

// runResume is `kubeadm-arm resume`: the interrupted init with its own arguments.
func (v invocation) runResume(o options) error {
	own, err := v.initFlags(o)
	if err != nil {
		return err
	}
	own.anyway = o.on("anyway")
	if err := needRoot("resume"); err != nil {
		return err
	}
	if own.journal, err = bootstrap.Interrupted(board()); err != nil {
		return err
	}
	args, err := own.journal.Resumable(board())
	if err != nil {
		return err
	}
	if own.kubeadmPath == "" && exists(own.journal.Kubeadm) {
		own.kubeadmPath = own.journal.Kubeadm
	}
	return v.runStages(own, args)
}
