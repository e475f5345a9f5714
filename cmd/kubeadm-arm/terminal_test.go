package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The terminal that an init runs at is closed in the middle, as when an SSH
// connection is lost (SIGHUP, and nobody to write to), or it gets a signal. It
// ends with 128 and the signal's number, staged manifests are put back, no
// process of it is left, and status knows how to go on.
func TestInterrupted(t *testing.T) {
	const closeIt = syscall.Signal(0)
	signals := map[string]syscall.Signal{
		"closed terminal": closeIt, "SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM,
	}
	moments := map[string][2]string{"while kubeadm runs": {"kubelet", "6/14"}, "while it waits": {"wait", "7/14"}}
	for name, sig := range signals {
		for moment, where := range moments {
			t.Run(name+" "+moment, func(t *testing.T) {
				e := tryOnBoard(t, trial{Args: []string{"init", "--ignore-preflight-errors=all"},
					Terminal: where[1], Signal: sig, Env: []string{"FAKE_HANG=" + where[0]}})
				ended := sig
				if ended == 0 {
					ended = syscall.SIGHUP // which the kernel sends when a terminal is closed
				}
				assert.Equal(t, 128+int(ended), e.Code)
				assert.Empty(t, e.Left, "no orphan processes")
				assert.Contains(t, e.Changed, "/etc/kubernetes/manifests/kube-scheduler.yaml is new", "put back")
				assert.Contains(t, e.Changed, "/etc/kubernetes/manifests/kube-apiserver.yaml is new", "put back")
				assert.Contains(t, e.Changed, "/etc/kubernetes/kubeadm-arm/journal.json is new", "and it can be gone on with")
				assert.NotContains(t, e.Changed, "/etc/kubernetes/kubeadm-arm/staged is new")
			})
		}
	}
}
