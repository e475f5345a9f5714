package bootstrap

import (
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

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// stops counts what a fake Stopper was asked for.
type stops struct {
	pids []int
	gone int
}

func (s *stops) hold(pid int) (func(), error) {
	s.pids = append(s.pids, pid)
	return func() { s.gone++ }, nil
}

func stillBoard(t *testing.T) (*fakeBoard, *stops, *stillness, *[]string) {
	b := newFakeBoard(t)
	put(t, b.layout.Proc()+"/50/comm", "kubelet\n")
	put(t, b.layout.Proc()+"/50/environ", "HOME=/root\x00")
	put(t, b.layout.Proc()+"/100/comm", "etcd\n")
	require.NoError(t, b.makeManifest(plan.Etcd))
	s, said := &stops{}, &[]string{}
	return b, s, &stillness{layout: b.layout, hold: s.hold, tell: func(line string) { *said = append(*said, line) }}, said
}

func TestKubeletIsStoppedWhileTheAPIServerStarts(t *testing.T) {
	_, s, still, said := stillBoard(t)
	still.see(false, 0)
	still.see(true, 7)
	assert.Empty(t, s.pids, "the kubelet has just made that container")
	still.see(true, 7)
	assert.Equal(t, []int{50}, s.pids)
	still.see(true, 7)
	assert.Len(t, s.pids, 1)
	assert.Zero(t, s.gone)
	still.see(false, 0)
	assert.Equal(t, 1, s.gone, "only a kubelet can start it again")
	still.see(true, 8)
	still.see(true, 8)
	assert.Equal(t, []int{50, 50}, s.pids)
	still.see(true, 9)
	assert.Equal(t, 2, s.gone, "another process of it")
	still.see(true, 9)
	still.end()
	still.end()
	assert.Equal(t, 3, s.gone)
	assert.Empty(t, *said)
}

func TestKubeletGoesOnWhenEtcdIsGone(t *testing.T) {
	b, s, still, _ := stillBoard(t)
	still.see(true, 7)
	still.see(true, 7)
	require.Len(t, s.pids, 1)
	require.NoError(t, os.RemoveAll(b.layout.Proc()+"/100"))
	still.see(true, 7)
	assert.Equal(t, 1, s.gone)
	still.see(true, 7)
	assert.Len(t, s.pids, 1, "not before there is an etcd again")
	require.NoError(t, os.Remove(b.layout.Manifest(plan.Etcd)))
	still.see(true, 7)
	assert.Len(t, s.pids, 2, "an etcd elsewhere is not waited for")
}

func TestKubeletWithAWatchdogIsLeftAlone(t *testing.T) {
	b, s, still, said := stillBoard(t)
	put(t, b.layout.Proc()+"/50/environ", "HOME=/root\x00WATCHDOG_USEC=30000000\x00")
	for range 4 {
		still.see(true, 7)
	}
	assert.Empty(t, s.pids)
	require.Len(t, *said, 1)
	assert.Contains(t, (*said)[0], "WatchdogSec=")
}

func TestNoKubeletOrTwoAreLeftAlone(t *testing.T) {
	b, s, still, _ := stillBoard(t)
	put(t, b.layout.Proc()+"/51/comm", "kubelet\n")
	still.see(true, 7)
	still.see(true, 7)
	require.NoError(t, os.RemoveAll(b.layout.Proc()+"/50"))
	require.NoError(t, os.RemoveAll(b.layout.Proc()+"/51"))
	still.see(true, 7)
	assert.Empty(t, s.pids)
}

// The run ends with a kubelet that works, however it ends.
func TestAwaitLetsTheKubeletGo(t *testing.T) {
	for _, healthy := range []bool{true, false} {
		b, s, _, _ := stillBoard(t)
		require.NoError(t, b.makeManifest(plan.APIServer))
		b.sick = 5
		if !healthy {
			b.sick = 1 << 30
		}
		o := b.options()
		o.Hold = s.hold
		r := &run{Options: o, layout: b.layout, restarts: map[string]int{}}
		err := r.await(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Quiet: 20 * time.Millisecond, Patience: time.Minute, Restarts: 3, Poll: time.Millisecond, HoldKubelet: true}, func(string) {})
		assert.Equal(t, healthy, err == nil, "%v", err)
		assert.Equal(t, []int{50}, s.pids)
		assert.Equal(t, 1, s.gone)
	}
}

// Seen on a board with 5 % of a core: with few looks while the end is far, and few
// scans, the API server answered before the kubelet was stopped.
func TestTheKubeletIsHeldSoonAfterTheProcessIsThere(t *testing.T) {
	b, s, _, _ := stillBoard(t)
	require.NoError(t, b.makeManifest(plan.APIServer))
	put(t, b.layout.PodLogs()+"/kube-system_kube-apiserver-bpi_1/kube-apiserver/0.log", "")
	process := b.layout.Proc() + "/101"
	require.Contains(t, string(read(process+"/cmdline")), plan.APIServer)
	require.NoError(t, os.Rename(process, b.layout.at("/later")))
	b.sick = 1 << 30
	o := b.options()
	o.Hold = s.hold
	r := &run{Options: o, layout: b.layout, restarts: map[string]int{}}
	const poll = 20 * time.Millisecond
	var held time.Time
	looks := 0
	_ = r.await(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Expect: time.Hour, Quiet: time.Second, Patience: time.Minute, Restarts: 3, Poll: poll, HoldKubelet: true}, func(string) {
		looks++
		switch {
		case looks == 5:
			require.NoError(t, os.Rename(b.layout.at("/later"), process))
		case held.IsZero() && len(s.pids) > 0:
			held = time.Now()
			assert.LessOrEqual(t, looks, 5+2)
		}
	})
	require.False(t, held.IsZero())
}

func stateOf(t *testing.T, pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	require.NoError(t, err)
	p, err := parseStat(text)
	require.NoError(t, err)
	return string(p.State)
}

func sleeper(t *testing.T) int {
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

func TestHoldProcess(t *testing.T) {
	pid := sleeper(t)
	letGo, err := HoldProcess(pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "T" }, 10*time.Second, time.Millisecond)
	letGo()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, 10*time.Second, time.Millisecond)
	_, err = HoldProcess(1 << 30)
	require.Error(t, err)
}

// Killed without a chance to say anything, this program leaves a kubelet behind
// that goes on.
func TestHeldProcessOutlivesItsHolder(t *testing.T) {
	if pid := os.Getenv("HOLD"); pid != "" {
		n, err := strconv.Atoi(pid)
		require.NoError(t, err)
		_, err = HoldProcess(n)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return stateOf(t, n) == "T" }, 10*time.Second, time.Millisecond)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	pid := sleeper(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeldProcessOutlivesItsHolder$")
	cmd.Env = append(os.Environ(), "HOLD="+strconv.Itoa(pid))
	err := cmd.Run()
	require.Error(t, err)
	require.True(t, strings.Contains(err.Error(), "killed"), err)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, 10*time.Second, time.Millisecond)
}

// slackOf reads what a fake process's thread was told, in ns.
func (b *fakeBoard) slackOf(pid string) string {
	text, err := os.ReadFile(b.layout.Proc() + "/" + pid + "/timerslack_ns")
	require.NoError(b.t, err)
	return strings.TrimSpace(string(text))
}

func TestAPIServerGetsLongTurnsWhileItStarts(t *testing.T) {
	b, _, still, _ := stillBoard(t)
	still.longTurns, still.hold = true, nil
	put(t, b.layout.Proc()+"/7/task/7/comm", "kube-apiserver\n")
	put(t, b.layout.Proc()+"/7/timerslack_ns", "20000000\n")
	still.see(true, 7)
	assert.Equal(t, "300000000", b.slackOf("7"))
	still.see(true, 7)
	still.see(false, 0)
	assert.Contains(t, b.slackOf("7"), "20000000")
	// As a run that was killed leaves it.
	put(t, b.layout.Proc()+"/7/timerslack_ns", "300000000\n")
	still.see(true, 7)
	still.end()
	assert.True(t, strings.HasPrefix(b.slackOf("7"), "0"), "a thread's default")
	// A kernel without the file, and a process that ends meanwhile.
	still.see(true, 8)
	still.see(false, 0)
}
