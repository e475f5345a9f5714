package bootstrap

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// stops counts what a fake Stopper was asked for.
type stops struct {
	pids          []int
	gone, renewed int
}

func (s *stops) hold(pid int) (Pause, error) {
	s.pids = append(s.pids, pid)
	return Pause{Renew: func() { s.renewed++ }, End: func() { s.gone++ }}, nil
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
		quiet := time.Minute
		if !healthy {
			b.sick, quiet = 1<<30, 3*time.Second
		}
		o := b.options()
		o.Hold = s.hold
		r := newRun(o)
		err := r.await(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Quiet: quiet, Patience: time.Minute, Restarts: 3, Poll: time.Millisecond, PauseKubelet: true}, func(string) {})
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
	r := newRun(o)
	const poll = 20 * time.Millisecond
	var held time.Time
	looks := 0
	_ = r.await(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Predicted: time.Hour, Quiet: time.Second, Patience: time.Minute, Restarts: 3, Poll: poll, PauseKubelet: true}, func(string) {
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
	p, err := linux.ParseProcess(text)
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
	pause, err := HoldProcess(pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "t" }, time.Hour, time.Millisecond)
	pause.Renew()
	pause.Renew()
	pause.End()
	pause.End()
	pause.Renew()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, time.Hour, time.Millisecond)
	_, err = HoldProcess(1 << 22)
	require.ErrorContains(t, err, "hold process 4194304")
}

// A process that another one traces (strace, a debugger), or that may not be traced
// (ptrace_scope, a seccomp filter), is left alone, and init goes on without the pause.
func TestHoldRefused(t *testing.T) {
	pid := sleeper(t)
	pause, err := HoldProcess(pid)
	require.NoError(t, err)
	_, err = HoldProcess(pid)
	require.ErrorIs(t, err, unix.EPERM)
	held := func() bool { return stateOf(t, pid) == "t" }
	require.Eventually(t, held, 10*time.Second, time.Millisecond, "the other one's pause goes on")
	pause.End()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, 10*time.Second, time.Millisecond)

	_, s, still, said := stillBoard(t)
	asked := 0
	still.hold = func(int) (Pause, error) { asked++; return Pause{}, unix.EPERM }
	for range 5 {
		still.see(true, 7)
	}
	still.see(false, 0)
	still.end()
	assert.Equal(t, 1, asked, "it is asked for once")
	assert.Empty(t, s.pids)
	require.Len(t, *said, 1)
	assert.Contains(t, (*said)[0], "the kubelet goes on while the API server starts")
}

// threadsWith counts the threads of a process by state.
func threadsWith(pid int, state string) (n int) {
	for _, id := range linux.Numbers(fmt.Sprintf("/proc/%d/task", pid)) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, id))
		if err != nil {
			continue // it has ended
		}
		p, err := linux.ParseProcess(text)
		if err == nil && string(p.State) == state {
			n++
		}
	}
	return n
}

// TestHoldManyThreads holds a program that is busy in several threads and makes new
// ones all the time, as a kubelet does. None of them runs on, and all of them do
// afterwards.
func TestHoldManyThreads(t *testing.T) {
	if os.Getenv("BUSY") != "" {
		for range 4 {
			go func() {
				for i := 0; ; i++ {
					if i%1000 == 0 {
						done := make(chan bool)
						go func() { runtime.LockOSThread(); close(done) }() // a thread that ends
						<-done
					}
				}
			}()
		}
		fmt.Println("busy")
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldManyThreads$")
	cmd.Env = append(os.Environ(), "BUSY=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = io.ReadFull(out, make([]byte, 4))
	require.NoError(t, err)
	pid := cmd.Process.Pid
	cpu := func() time.Duration {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		p, err := linux.ParseProcess(text)
		require.NoError(t, err)
		return p.CPU
	}
	for range 3 {
		pause, err := HoldProcess(pid)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return threadsWith(pid, "t")+threadsWith(pid, "Z") == len(linux.Numbers(fmt.Sprintf("/proc/%d/task", pid)))
		}, time.Hour, time.Millisecond)
		was := cpu()
		time.Sleep(50 * time.Millisecond)
		assert.Equal(t, was, cpu(), "nothing of it runs")
		pause.End()
		require.Eventually(t, func() bool { return cpu() > was }, time.Hour, time.Millisecond)
	}
	require.Eventually(t, func() bool { return threadsWith(pid, "t") == 0 }, time.Hour, time.Millisecond)
}

// Whatever kills this program, and all of its children with it, it leaves a kubelet
// behind that goes on.
func TestHeldProcessOutlivesItsHolder(t *testing.T) {
	if pid := os.Getenv("HOLD"); pid != "" {
		n, err := strconv.Atoi(pid)
		require.NoError(t, err)
		_, err = HoldProcess(n)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return stateOf(t, n) == "t" }, time.Hour, time.Millisecond)
		switch os.Getenv("END") {
		case "exit":
			os.Exit(3)
		case "panic":
			go func() { panic("a fault") }()
			select {}
		}
		require.NoError(t, syscall.Kill(0, syscall.SIGKILL)) // its whole process group
	}
	for _, end := range []string{"kill", "exit", "panic"} {
		pid := sleeper(t)
		cmd := exec.Command(os.Args[0], "-test.run=^TestHeldProcessOutlivesItsHolder$")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Env = append(os.Environ(), "HOLD="+strconv.Itoa(pid), "END="+end)
		require.Error(t, cmd.Run())
		require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, time.Hour, time.Millisecond, end)
	}
}

// TestHeldProcessCanBeEnded: systemctl stop must not wait for a pause to end.
func TestHeldProcessCanBeEnded(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		// Not a child of this process: it would hear of stops, too.
		out, err := exec.Command("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").Output()
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		require.NoError(t, err)
		pause, err := HoldProcess(pid)
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, sig))
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(text), ") Z ")
		}, time.Hour, time.Millisecond)
		pause.End()
	}
}

// TestHeldProcessGoesOnAtCtrlZ: a holder that is stopped holds nobody.
func TestHeldProcessGoesOnAtCtrlZ(t *testing.T) {
	if pid := os.Getenv("HOLD"); pid != "" {
		n, err := strconv.Atoi(pid)
		require.NoError(t, err)
		suspend := make(chan os.Signal, 1)
		signal.Notify(suspend, syscall.SIGTSTP)
		_, err = Suspending(HoldProcess, suspend)(n)
		require.NoError(t, err)
		fmt.Println("held")
		select {}
	}
	pid := sleeper(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeldProcessGoesOnAtCtrlZ$")
	cmd.Env = append(os.Environ(), "HOLD="+strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	_, err = io.ReadFull(out, make([]byte, 4))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "t" }, time.Hour, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTSTP))
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, time.Hour, time.Millisecond)
	require.Eventually(t, func() bool { return stateOf(t, cmd.Process.Pid) == "T" }, time.Hour, time.Millisecond)
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

// A new thread is given long turns once; those that have them are not written to again.
func TestLongTurnsAreGivenOnce(t *testing.T) {
	b, _, still, _ := stillBoard(t)
	still.hold, still.longTurns = nil, true
	slack := b.layout.Proc() + "/7/timerslack_ns"
	put(t, b.layout.Proc()+"/7/task/7/comm", "kube-apiserver\n")
	put(t, slack, "50000")
	still.see(true, 7)
	assert.Equal(t, "300000000", b.slackOf("7"))
	put(t, slack, "written meanwhile")
	put(t, b.layout.Proc()+"/7/task/8/comm", "kube-apiserver\n")
	put(t, b.layout.Proc()+"/8/timerslack_ns", "50000")
	still.see(true, 7)
	assert.Equal(t, "300000000", b.slackOf("8"))
	assert.Equal(t, "written meanwhile", b.slackOf("7"))
}
