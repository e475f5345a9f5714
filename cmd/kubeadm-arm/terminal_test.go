package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The terminal that an init runs at is closed in the middle, as when an SSH
// connection is lost: SIGHUP, and nobody to write to. It ends with 128 and the
// signal's number, staged manifests are put back, no process of it is left, and
// status knows how to go on.
func TestClosedTerminal(t *testing.T) {
	for name, where := range map[string][2]string{"while kubeadm runs": {"kubelet", "5/13"}, "while it waits": {"wait", "6/13"}} {
		t.Run(name, func(t *testing.T) {
			e := tryOnBoard(t, trial{Args: []string{"init", "--ignore-preflight-errors=all"}, Terminal: where[1], Env: []string{"FAKE_HANG=" + where[0]}})
			assert.Equal(t, 129, e.Code)
			assert.Empty(t, e.Left, "no orphan processes")
			assert.Contains(t, e.Changed, "/etc/kubernetes/manifests/kube-scheduler.yaml is new", "put back")
			assert.Contains(t, e.Changed, "/etc/kubernetes/manifests/kube-apiserver.yaml is new", "put back")
			assert.Contains(t, e.Changed, "/etc/kubernetes/kubeadm-arm/journal.json is new", "and it can be gone on with")
			assert.NotContains(t, e.Changed, "/etc/kubernetes/kubeadm-arm/staged is new")
		})
	}
}
