package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

func TestReason(t *testing.T) {
	assert.Equal(t, "timed out", reason("[init] x\nerror: timed out\nTo see the stack trace\n",
		errors.New("exit status 1")))
	assert.Equal(t, "kubeadm-arm: timed out", reason("x\nkubeadm-arm: timed out\nhint: y\n", errors.New("exit status 1")))
	assert.Equal(t, "not done within 1m", reason("x\n", errors.New("not done within 1m")))
}

func TestReasonNamesTheSignal(t *testing.T) {
	err := exec.Command("sh", "-c", "exit 132").Run()
	assert.Equal(t, "ended by SIGILL", reason("", err))
	assert.Equal(t, "timed out", reason("timed out\n", exec.Command("sh", "-c", "exit 200").Run()),
		"there is no such signal")
}

func TestExpectIllegal(t *testing.T) {
	e := expectations{illegal: true, memory: 40}
	dies := run{setup: setup{Tool: armv7}, outcome: outcome{Reason: "ended by SIGILL"}}
	refuses := run{setup: setup{Tool: refused},
		outcome: outcome{Reason: "kubeadm-arm: x was built for ARMv7: it would die with Illegal instruction"}}
	require.NoError(t, e.check([]run{dies, refuses, good()}))
	assert.Error(t, e.check([]run{{setup: setup{Tool: armv7}, outcome: outcome{OK: true}}, refuses, good()}))
	assert.Error(t, e.check([]run{dies, {setup: setup{Tool: refused}, outcome: outcome{Reason: "ended by SIGILL"}},
		good()}))
}

func good() run {
	return run{setup: setup{Tool: arm}, outcome: outcome{OK: true, Seconds: 11, NodeReady: true,
		Restarts: map[string]int{"etcd": 0}}, cost: cost{OwnMB: 20}, after: after{Manifests: []string{"a", "b", "c",
		"d"}}}
}

func TestExpectations(t *testing.T) {
	e := expectations{stockFails: true, memory: 40}
	failed := run{setup: setup{Tool: stock}, outcome: outcome{Reason: "deadline"}}
	assert.NoError(t, e.check([]run{failed, good()}))
	for name, spoil := range map[string]func(*run){
		"failed":     func(r *run) { r.OK = false },
		"not Ready":  func(r *run) { r.NodeReady = false },
		"a restart":  func(r *run) { r.Restarts["etcd"] = 1 },
		"a file":     func(r *run) { r.Manifests = append(r.Manifests, "e") },
		"left":       func(r *run) { r.Left = []string{"x"} },
		"memory":     func(r *run) { r.OwnMB = 41 },
		"no memory?": func(r *run) { r.OwnMB = 0 },
		// The run keeps its line in the table, and counts as one that missed something.
		"conformance": func(r *run) { r.Missed = []string{"a deployment comes up: exit status 1"} },
		"no way back": func(r *run) { r.Reboot = &reboot{Limit: 60} },
	} {
		r := good()
		spoil(&r)
		assert.Error(t, e.check([]run{failed, r}), name)
	}
	cut := good()
	cut.PowerCuts, cut.Restarts = 1, map[string]int{"etcd": 1}
	assert.NoError(t, e.check([]run{failed, cut}), "what ran when the power was cut starts again")
	cut.Restarts["etcd"] = 2
	assert.Error(t, e.check([]run{failed, cut}))
	stopped := good()
	stopped.Interrupts, stopped.Restarts = 1, map[string]int{"kube-scheduler": 1}
	assert.NoError(t, e.check([]run{failed, stopped}), "it was put back, and staged again")
	stopped.Restarts = map[string]int{"kube-apiserver": 1}
	assert.Error(t, e.check([]run{failed, stopped}), "it ran on")
	assert.Error(t, e.check([]run{{setup: setup{Tool: stock}, outcome: outcome{OK: true}}, good()}), "stock succeeded")
	e = expectations{stockWorks: true, ratio: 1.2, memory: 40}
	assert.NoError(t, e.check([]run{{setup: setup{Tool: stock}, outcome: outcome{OK: true, Seconds: 10}}, good()}))
	assert.Error(t, e.check([]run{{setup: setup{Tool: stock}, outcome: outcome{OK: true, Seconds: 9}}, good()}),
		"over a fifth slower")
	assert.Error(t, e.check([]run{failed, good()}), "stock failed")
}

func TestABoardThatDidNotComeBackSaysSo(t *testing.T) {
	r := reboot{ReadySeconds: 131.6, Limit: 900}
	assert.Equal(t, "after 132 s", r.since(r.ReadySeconds))
	assert.Equal(t, "not within 15 min", r.since(r.NodeSeconds))
	var table strings.Builder
	printTable(&table, "an emulated bananapi", "v1.37.2",
		[]run{{setup: setup{Tool: arm}, outcome: outcome{OK: true}, after: after{Reboot: &r}}})
	assert.Contains(t, table.String(), "API server ready after 132 s, node not within 15 min\n")
}

func TestMedian(t *testing.T) {
	assert.InDelta(t, 2, median([]run{{setup: setup{Tool: arm}, outcome: outcome{OK: true, Seconds: 9}},
		{setup: setup{Tool: arm}, outcome: outcome{OK: true, Seconds: 1}}, {setup: setup{Tool: arm},
			outcome: outcome{OK: true, Seconds: 2}}, {setup: setup{Tool: stock}, outcome: outcome{OK: true,
			Seconds: 5}}}, arm), 0)
	assert.InDelta(t, 0, median(nil, arm), 0)
}

func TestParseTools(t *testing.T) {
	all, err := parseTools("stock,recipe,expert,kubeadm-arm,kubeadm-arm:frugal")
	require.NoError(t, err)
	require.Len(t, all, 5)
	assert.Contains(t, all[4].command, "frugal")
	assert.True(t, isArm(all[3].Name) && isArm(all[4].Name) && !isArm(all[0].Name))
	all, err = parseTools("article")
	require.NoError(t, err)
	assert.Equal(t, []string{"kubeadm-arm", "init", "--skip-phases", "mark-control-plane", "--config",
		drive.KubeadmConfig}, all[0].command)
	assert.True(t, all[0].pod && isArm(all[0].Name))
	all, err = parseTools("armv7")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.False(t, all[0].needsArm())
	assert.True(t, all[1].needsArm())
	for _, bad := range []string{"", "stock,", "kubeadm", "kubeadm-arm:"} {
		_, err := parseTools(bad)
		assert.Error(t, err, bad)
	}
}

func TestOldVersionsKnowNoNewKernel(t *testing.T) {
	all, err := parseTools("stock,recipe,kubeadm-arm")
	require.NoError(t, err)
	for _, tool := range all {
		assert.Equal(t, tool.command, tool.commandFor("v1.31.4"))
		words := tool.commandFor("v1.13.1")
		last := words[len(words)-1]
		assert.Equal(t, tool.Name != recipe, last == "--ignore-preflight-errors=SystemVerification", tool.Name)
	}
}

func TestParseActiveOpens(t *testing.T) {
	n, err := parseActiveOpens("Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm ActiveOpens " +
		"PassiveOpens\nTcp: 1 812 99\n")
	require.NoError(t, err)
	assert.EqualValues(t, 812, n)
	for _, bad := range []string{"", "Tcp: a b\nTcp: 1 2\n", "Tcp: ActiveOpens\n", "Tcp: ActiveOpens\nTcp: x\n",
		"Tcp: a ActiveOpens\nTcp: 1\n"} {
		_, err := parseActiveOpens(bad)
		assert.Error(t, err, bad)
	}
}

func TestParseMemory(t *testing.T) {
	by, err := parseMemory("Pss: 1000 kB etcd\nPss: 10 kB containerd-shim\nPss: 20 kB containerd-shim\n")
	require.NoError(t, err)
	assert.Len(t, by, 2)
	assert.InDelta(t, 0.03072, by["containerd-shim"], 1e-9)
	assert.InDelta(t, 1.05472, idle{Memory: by}.megabytes(), 1e-9)
	for _, bad := range []string{"etcd\n", "Pss: x kB etcd\n", "sh: not found\n"} {
		_, err := parseMemory(bad)
		assert.Error(t, err, bad)
	}
}

func TestParseRequests(t *testing.T) {
	assert.EqualValues(t, 1202, parseRequests("# TYPE apiserver_request_total "+
		"counter\napiserver_request_total{code=\"200\"} 2\napiserver_request_total{code=\"201\",verb=\"POST\"} "+
		"1.2e+03\napiserver_request_terminations_total{} 5\n"))
}

func TestDocument(t *testing.T) {
	path := t.TempDir() + "/d.md"
	slow := good()
	slow.Board, slow.Seconds, slow.ByProgram = "5%", 13, map[string]float64{"etcd": 1.25}
	slow.Idle = &idle{MilliCPU: 31, ByProgram: map[string]float64{"etcd": 12}}
	slow.Missed = []string{"list the pods:\nexit | status 1"}
	slow.Reboot = &reboot{ReadySeconds: 90, Limit: 1200}
	slow.Decided = &decided{Plan: []decision{{"readiness period", "20 s", "each probe is a full handshake"}},
		Steps: []stepReport{{"wait for etcd", 5, 4}, {"patch", 0.5, 0}}}
	slow.SliceCosts = []float64{1.5, 3, 1.25}
	other := slow
	other.Seconds, other.SliceCosts = 15, nil
	require.NoError(t, writeDocument(path, "One after the other.",
		[]run{{setup: setup{Tool: stock, Board: "5%"}, outcome: outcome{Seconds: 80, Reason: "a | b"}}, slow, other}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, want := range []string{"|  | 5% | kubeadm init | 0 of 1 | failed after 80 |",
		"|  | 5% | kubeadm-arm init | 2 of 2 | 14.0 |", "| 31.0 | 12.0 |", "failed: a / b",
		"worked; missed: list the pods: exit / status 1 |", "| after 90 s | not within 20 min |", "| readiness " +
			"period | 20 s | each probe is a full handshake |", "| wait for etcd | 5.0 | 4.0 |", "| patch | 0.5 |  |",
		"- kubeadm-arm init at 5%: work in its slices cost 1.50 times the CPU time that it costs in one go (1.25 to " +
			"3.00)\n"} {
		assert.Contains(t, string(text), want)
	}
	assert.Equal(t, 1, strings.Count(string(text), "| readiness period |"), "equal plans stand there once")
}

// fakeKubectl fails as often as the file "failures" has lines left, and keeps its
// arguments.
const fakeKubectl = `#!/bin/sh
echo "$@" >> "$LAB_TIMES/calls"
test -s "$LAB_TIMES/failures" || exit 0
sed -i 1d "$LAB_TIMES/failures"
echo "Unable to connect to the server: unexpected EOF" >&2
exit 1
`

func TestTheWaitForTheNodeSurvivesALostConnection(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/kubectl", []byte(fakeKubectl), 0o755))
	require.NoError(t, os.WriteFile(dir+"/failures", []byte("one\n"), 0o644))
	cmd := exec.Command("sh", "-c", bootstrapScript, "demo-1-0-0", "600", "echo", "done")
	cmd.Env = append(os.Environ(), "LAB_TIMES="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	calls, err := os.ReadFile(dir + "/calls")
	require.NoError(t, err)
	// The kubectl of v1.13 does not know --all there.
	want := "wait --for=condition=Ready node/demo-1-0-0 --timeout=600s\n"
	assert.Equal(t, want+want, string(calls))
	for _, name := range []string{"began", "done", "ready"} {
		assert.FileExists(t, dir+"/lab-"+name)
	}
}

func TestAFailedBootstrapDoesNotWaitForTheNode(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", bootstrapScript, "demo-1-0-0", "600", "sh", "-c", "exit 7")
	cmd.Env = append(os.Environ(), "LAB_TIMES="+dir)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	assert.Equal(t, 7, exit.ExitCode())
	assert.FileExists(t, dir+"/lab-done")
	assert.NoFileExists(t, dir+"/lab-ready")
}
