package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRestarts(t *testing.T) {
	got := restarts([]string{
		"/var/log/pods/kube-system_etcd-demo_a/etcd/0.log",
		"/var/log/pods/kube-system_kube-apiserver-demo_a/kube-apiserver/1.log", // 0.log was removed
		"/var/log/pods/kube-system_kube-scheduler-demo_a/kube-scheduler/0.log",
		"/var/log/pods/kube-system_kube-scheduler-demo_b/kube-scheduler/0.log", // a second pod
		"/var/log/pods/kube-system_kube-proxy-x_a/kube-proxy/7.log",
	})
	assert.Equal(t, map[string]int{"etcd": 0, "kube-apiserver": 1, "kube-controller-manager": 0, "kube-scheduler": 1}, got)
}

func TestReason(t *testing.T) {
	assert.Equal(t, "no luck", reason("[init] x\nerror: no luck\nTo see the stack trace\n", errors.New("exit status 1")))
	assert.Equal(t, "kubeadm-arm: no luck", reason("x\nkubeadm-arm: no luck\nhint: y\n", errors.New("exit status 1")))
	assert.Equal(t, "not done within 1m", reason("x\n", errors.New("not done within 1m")))
}

func good() run {
	return run{Tool: arm, OK: true, Seconds: 11, NodeReady: true, OwnMB: 20, Restarts: map[string]int{"etcd": 0}, Manifests: []string{"a", "b", "c", "d"}}
}

func TestExpectations(t *testing.T) {
	e := expectations{stockFails: true, memory: 40}
	failed := run{Tool: stock, Reason: "deadline"}
	assert.NoError(t, e.check([]run{failed, good()}))
	for name, spoil := range map[string]func(*run){
		"failed":     func(r *run) { r.OK = false },
		"not Ready":  func(r *run) { r.NodeReady = false },
		"a restart":  func(r *run) { r.Restarts["etcd"] = 1 },
		"a file":     func(r *run) { r.Manifests = append(r.Manifests, "e") },
		"left":       func(r *run) { r.Left = []string{"x"} },
		"memory":     func(r *run) { r.OwnMB = 41 },
		"no memory?": func(r *run) { r.OwnMB = 0 },
	} {
		r := good()
		spoil(&r)
		assert.Error(t, e.check([]run{failed, r}), name)
	}
	assert.Error(t, e.check([]run{{Tool: stock, OK: true}, good()}), "stock succeeded")
	e = expectations{stockWorks: true, ratio: 1.2, memory: 40}
	assert.NoError(t, e.check([]run{{Tool: stock, OK: true, Seconds: 10}, good()}))
	assert.Error(t, e.check([]run{{Tool: stock, OK: true, Seconds: 9}, good()}), "over a fifth slower")
	assert.Error(t, e.check([]run{failed, good()}), "stock failed")
}

func TestMedian(t *testing.T) {
	assert.InDelta(t, 2, median([]run{{Tool: arm, OK: true, Seconds: 9}, {Tool: arm, OK: true, Seconds: 1}, {Tool: arm, OK: true, Seconds: 2}, {Tool: stock, OK: true, Seconds: 5}}, arm), 0)
	assert.InDelta(t, 0, median(nil, arm), 0)
}
