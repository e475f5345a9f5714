package network

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test's program be the switch, as lab is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == verb {
		if err := Serve(os.Args[2:]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// space is a network namespace without anything.
func space(t *testing.T) *exec.Cmd {
	cmd := exec.Command("sleep", "infinity")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func try(pid int, command string) (string, error) {
	out, err := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(pid)+"/ns/net", "sh", "-c", command).CombinedOutput()
	return string(out), err
}

// plugged is a namespace with an address in the network.
func plugged(t *testing.T, n Network, number int) int {
	pid := space(t).Process.Pid
	unlock, err := n.Lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	require.NoError(t, n.Plug(pid, fmt.Sprintf("02:00:00:00:00:%02x", number)))
	out, err := try(pid,
		fmt.Sprintf("ip link set lo up && ip link set eth0 up && ip addr add 10.88.0.%d/24 dev eth0", number))
	require.NoError(t, err, out)
	return pid
}

func TestBoardsReachEachOther(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	before, err := filepath.Glob("/sys/class/net/*")
	require.NoError(t, err)
	n, err := Of("lan")
	require.NoError(t, err)
	require.Error(t, n.Set(1, Link{}), "there is no switch yet")
	a, b := plugged(t, n, 2), plugged(t, n, 3)
	hub, err := n.process()
	require.NoError(t, err)
	require.NotZero(t, hub)

	const bytes = 1 << 20
	server := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(b)+"/ns/net", "socat",
		"TCP-LISTEN:7,fork,reuseaddr", fmt.Sprintf("SYSTEM:head -c %d /dev/zero", bytes))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, server.Start())
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	load := func(to string) (seconds float64, err error) {
		begin := time.Now()
		out, err := try(a, "socat -u TCP:"+to+":7,connect-timeout=1 - | wc -c")
		if strings.TrimSpace(out) != strconv.Itoa(bytes) {
			err = fmt.Errorf("%w: got %q", err, out)
		}
		return time.Since(begin).Seconds(), err
	}
	require.Eventually(t, func() bool { _, err := load("10.88.0.3"); return err == nil }, time.Hour, 50*time.Millisecond)

	// A range of pods is behind another board.
	_, err = try(b, "ip addr add 10.244.3.1/32 dev lo")
	require.NoError(t, err)
	require.NoError(t, Route(a, "10.244.3.0/24", "10.88.0.3"))
	_, err = load("10.244.3.1")
	require.NoError(t, err)

	require.NoError(t, n.Set(b, Link{Down: true}))
	out, err := try(b, "cat /sys/class/net/eth0/carrier 2>/dev/null; ip -o link show eth0")
	require.NoError(t, err)
	assert.Contains(t, out, "NO-CARRIER")
	_, err = load("10.88.0.3")
	assert.Error(t, err, "the cable is out")

	require.NoError(t, n.Set(b, Link{Rate: bytes / 2}))
	seconds, err := load("10.88.0.3")
	require.NoError(t, err)
	assert.Greater(t, seconds, 1.0, "1 MiB at half a MiB a second")
	require.NoError(t, n.Set(b, Link{}))
	out, err = try(b, "tc qdisc show dev eth0")
	require.NoError(t, err)
	assert.NotContains(t, out, "tbf")

	after, err := filepath.Glob("/sys/class/net/*")
	require.NoError(t, err)
	assert.Equal(t, before, after, "this machine has none of it")
	require.NoError(t, n.End())
	require.NoError(t, n.End(), "again")
	assert.NoDirExists(t, fmt.Sprintf("/proc/%d/ns", hub))
}

// TestSwitchEnds when nothing is plugged in any more, whatever became of lab.
func TestSwitchEnds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	n, err := Of("left")
	require.NoError(t, err)
	pid := plugged(t, n, 2)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { hub, err := n.process(); return err == nil && hub == 0 }, time.Hour,
		100*time.Millisecond)
}
