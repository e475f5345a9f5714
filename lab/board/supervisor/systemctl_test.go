package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSystemctl(t *testing.T) {
	assert.Equal(t, systemctlCall{verb: "is-active", units: []string{"kubelet"}, quiet: true},
		parseSystemctl([]string{"is-active", "--quiet", "kubelet.service"}))
	assert.Equal(t, systemctlCall{verb: "enable", units: []string{"kubelet"}, now: true},
		parseSystemctl([]string{"enable", "--now", "kubelet"}))
	assert.Equal(t, systemctlCall{verb: "show", units: []string{"kubelet"}, value: true,
		properties: []string{"MainPID", "NRestarts"}},
		parseSystemctl([]string{"show", "kubelet", "-p", "MainPID", "--property=NRestarts", "--value"}))
	assert.Equal(t, systemctlCall{verb: "show"}, parseSystemctl([]string{"show", "-p"}))
}

func TestParseFlagsEnv(t *testing.T) {
	assert.Equal(t, []string{"--node-ip=1.2.3.4", "--v=2"},
		parseFlagsEnv("KUBELET_KUBEADM_ARGS=\"--node-ip=1.2.3.4 --v=2\"\n"))
	assert.Empty(t, parseFlagsEnv(""))
	assert.Empty(t, parseFlagsEnv("KUBELET_KUBEADM_ARGS=\"\"\n"))
}

func TestParseUnitState(t *testing.T) {
	s, err := parseUnitState("active 77 2 enabled\n")
	require.NoError(t, err)
	assert.Equal(t, unitState{"active", 77, 2, "enabled"}, s)
	for _, text := range []string{"", "active", "active x 2 enabled", "active 77 2 enabled more"} {
		_, err := parseUnitState(text)
		assert.Error(t, err, text)
	}
}

// TestSupervisor keeps a small program as it keeps the kubelet.
func TestSupervisor(t *testing.T) {
	dir := t.TempDir()
	needed := filepath.Join(dir, "config.yaml")
	u := &unit{name: "x", log: filepath.Join(dir, "log"), pause: time.Millisecond, wake: make(chan struct{}, 1),
		needs:   []string{needed},
		command: func() []string { return []string{"sleep", "1000"} }}
	all := map[string]*unit{"x": u}
	go u.keep()
	state := func(verb string) unitState {
		s, err := parseUnitState(answer(all, []string{verb, "x"}))
		require.NoError(t, err)
		return s
	}
	assert.Equal(t, "inactive", state("is-active").active)
	assert.Equal(t, "activating", state("start").active, "its config is not there yet")

	require.NoError(t, os.WriteFile(needed, nil, 0o644))
	first := state("restart")
	assert.Equal(t, "active", first.active)
	assert.Zero(t, first.restarts)

	proc, err := os.FindProcess(first.pid)
	require.NoError(t, err)
	require.NoError(t, proc.Kill())
	var second unitState
	require.Eventually(t, func() bool {
		second = state("is-active")
		return second.active == "active" && second.pid != first.pid
	}, time.Hour, time.Millisecond, "a killed service comes back")
	assert.Equal(t, 1, second.restarts)

	assert.Equal(t, "inactive", state("stop").active)
	assert.ErrorIs(t, syscall.Kill(second.pid, 0), syscall.ESRCH)
	third := state("start")
	assert.Equal(t, "active", third.active, "a stopped service starts without a pause")
	assert.Equal(t, "inactive", state("stop").active)
	assert.Equal(t, "enabled", state("enable").enabled)
	assert.Equal(t, "disabled", state("disable").enabled)
	assert.True(t, strings.HasPrefix(answer(all, []string{"start", "unheard-of"}), "unknown"))
}
