package await

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

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
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

func pauseBoard(t *testing.T) (*boardtest.Board, *stops, *KubeletPause, *[]string) {
	b := boardtest.New(t)
	boardtest.Put(t, b.Layout.Proc()+"/50/comm", "kubelet\n")
	boardtest.Put(t, b.Layout.Proc()+"/50/environ", "HOME=/root\x00")
	boardtest.Put(t, b.Layout.Proc()+"/100/comm", "etcd\n")
	require.NoError(t, b.MakeManifest(plan.Etcd))
	s, said := &stops{}, &[]string{}
	return b, s, &KubeletPause{Layout: b.Layout, Pause: s.hold, Note: func(line string) {
		*said = append(*said,
			line)
	}}, said
}

func TestKubeletIsStoppedWhileTheAPIServerStarts(t *testing.T) {
	_, s, kubelet, said := pauseBoard(t)
	kubelet.Observe(false, 0)
	kubelet.Observe(true, 7)
	assert.Empty(t, s.pids, "the kubelet has just made that container")
	kubelet.Observe(true, 7)
	assert.Equal(t, []int{50}, s.pids)
	kubelet.Observe(true, 7)
	assert.Len(t, s.pids, 1)
	assert.Zero(t, s.gone)
	kubelet.Observe(false, 0)
	assert.Equal(t, 1, s.gone, "only a kubelet can start it again")
	kubelet.Observe(true, 8)
	kubelet.Observe(true, 8)
	assert.Equal(t, []int{50, 50}, s.pids)
	kubelet.Observe(true, 9)
	assert.Equal(t, 2, s.gone, "another process of it")
	kubelet.Observe(true, 9)
	kubelet.Resume()
	kubelet.Resume()
	assert.Equal(t, 3, s.gone)
	assert.Empty(t, *said)
}

func TestKubeletGoesOnWhenEtcdIsGone(t *testing.T) {
	b, s, kubelet, _ := pauseBoard(t)
	kubelet.Observe(true, 7)
	kubelet.Observe(true, 7)
	require.Len(t, s.pids, 1)
	require.NoError(t, os.RemoveAll(b.Layout.Proc()+"/100"))
	kubelet.Observe(true, 7)
	assert.Equal(t, 1, s.gone)
	kubelet.Observe(true, 7)
	assert.Len(t, s.pids, 1, "not before there is an etcd again")
	require.NoError(t, os.Remove(b.Layout.Manifest(plan.Etcd)))
	kubelet.Observe(true, 7)
	assert.Len(t, s.pids, 2, "an etcd elsewhere is not waited for")
}

func TestKubeletWithAWatchdogIsLeftAlone(t *testing.T) {
	b, s, kubelet, said := pauseBoard(t)
	boardtest.Put(t, b.Layout.Proc()+"/50/environ", "HOME=/root\x00WATCHDOG_USEC=30000000\x00")
	for range 4 {
		kubelet.Observe(true, 7)
	}
	assert.Empty(t, s.pids)
	require.Len(t, *said, 1)
	assert.Contains(t, (*said)[0], "WatchdogSec=")
}

func TestNoKubeletOrTwoAreLeftAlone(t *testing.T) {
	b, s, kubelet, _ := pauseBoard(t)
	boardtest.Put(t, b.Layout.Proc()+"/51/comm", "kubelet\n")
	kubelet.Observe(true, 7)
	kubelet.Observe(true, 7)
	require.NoError(t, os.RemoveAll(b.Layout.Proc()+"/50"))
	require.NoError(t, os.RemoveAll(b.Layout.Proc()+"/51"))
	kubelet.Observe(true, 7)
	assert.Empty(t, s.pids)
}

// The run ends with a kubelet that works, however it ends.
func TestAwaitLetsTheKubeletGo(t *testing.T) {
	for _, healthy := range []bool{true, false} {
		b, s, _, _ := pauseBoard(t)
		require.NoError(t, b.MakeManifest(plan.APIServer))
		b.Sick = 5
		quiet := time.Minute
		if !healthy {
			b.Sick, quiet = 1<<30, 3*time.Second
		}
		a := waiterOn(b)
		a.Pause = s.hold
		err := a.Wait(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Quiet: quiet, Patience: time.Minute,
			Restarts: 3, Poll: time.Millisecond, PauseKubelet: true}, listener(func(string) {}))
		assert.Equal(t, healthy, err == nil, "%v", err)
		assert.Equal(t, []int{50}, s.pids)
		assert.Equal(t, 1, s.gone)
	}
}

// Seen on a board with 5 % of a core: with few looks while the end is far, and few
// scans, the API server answered before the kubelet was stopped.
func TestTheKubeletIsHeldSoonAfterTheProcessIsThere(t *testing.T) {
	b, s, _, _ := pauseBoard(t)
	require.NoError(t, b.MakeManifest(plan.APIServer))
	boardtest.Put(t, b.Layout.PodLogs()+"/kube-system_kube-apiserver-bpi_1/kube-apiserver/0.log", "")
	process := b.Layout.Proc() + "/101"
	require.FileExists(t, process+"/cmdline")
	require.NoError(t, os.Rename(process, b.Layout.At("/later")))
	b.Sick = 1 << 30
	a := waiterOn(b)
	a.Pause = s.hold
	const poll = 20 * time.Millisecond
	var held time.Time
	looks := 0
	_ = a.Wait(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Predicted: time.Hour, Quiet: time.Second,
		Patience: time.Minute, Restarts: 3, Poll: poll, PauseKubelet: true}, listener(func(string) {
		looks++
		switch {
		case looks == 5:
			require.NoError(t, os.Rename(b.Layout.At("/later"), process))
		case held.IsZero() && len(s.pids) > 0:
			held = time.Now()
			assert.LessOrEqual(t, looks, 5+2)
		}
	}))
	require.False(t, held.IsZero())
}

func stateOf(t *testing.T, pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	require.NoError(t, err)
	p, err := linux.ParseProcess(text)
	require.NoError(t, err)
	return string(p.State)
}

func TestPauseProcess(t *testing.T) {
	pid := boardtest.Sleeper(t)
	pause, err := PauseProcess(pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "t" }, time.Hour, time.Millisecond)
	pause.Renew()
	pause.Renew()
	pause.End()
	pause.End()
	pause.Renew()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, time.Hour, time.Millisecond)
	_, err = PauseProcess(1 << 22)
	require.ErrorContains(t, err, "pause process 4194304")
}

// A process that another one traces (strace, a debugger), or that may not be traced
// (ptrace_scope, a seccomp filter), is left alone, and init goes on without the pause.
func TestHoldRefused(t *testing.T) {
	pid := boardtest.Sleeper(t)
	pause, err := PauseProcess(pid)
	require.NoError(t, err)
	_, err = PauseProcess(pid)
	require.ErrorIs(t, err, unix.EPERM)
	held := func() bool { return stateOf(t, pid) == "t" }
	require.Eventually(t, held, 10*time.Second, time.Millisecond, "the other one's pause goes on")
	pause.End()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, 10*time.Second, time.Millisecond)

	_, s, kubelet, said := pauseBoard(t)
	asked := 0
	kubelet.Pause = func(int) (Pause, error) { asked++; return Pause{}, unix.EPERM }
	for range 5 {
		kubelet.Observe(true, 7)
	}
	kubelet.Observe(false, 0)
	kubelet.Resume()
	assert.Equal(t, 1, asked, "it is asked for once")
	assert.Empty(t, s.pids)
	require.Len(t, *said, 1)
	assert.Contains(t, (*said)[0], "the kubelet is not paused while the API server starts")
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
		pause, err := PauseProcess(pid)
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
		_, err = PauseProcess(n)
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
		pid := boardtest.Sleeper(t)
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
		pause, err := PauseProcess(pid)
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
		_, err = Suspending(PauseProcess, suspend)(n)
		require.NoError(t, err)
		fmt.Println("held")
		select {}
	}
	pid := boardtest.Sleeper(t)
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
func slackOf(t *testing.T, b *boardtest.Board, pid string) string {
	text, err := os.ReadFile(b.Layout.Proc() + "/" + pid + "/timerslack_ns")
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func TestAPIServerGetsLongTurnsWhileItStarts(t *testing.T) {
	b, _, kubelet, _ := pauseBoard(t)
	kubelet.LongTurns, kubelet.Pause = true, nil
	boardtest.Put(t, b.Layout.Proc()+"/7/task/7/comm", "kube-apiserver\n")
	boardtest.Put(t, b.Layout.Proc()+"/7/timerslack_ns", "20000000\n")
	kubelet.Observe(true, 7)
	assert.Equal(t, "300000000", slackOf(t, b, "7"))
	kubelet.Observe(true, 7)
	kubelet.Observe(false, 0)
	assert.Contains(t, slackOf(t, b, "7"), "20000000")
	// As a run that was killed leaves it.
	boardtest.Put(t, b.Layout.Proc()+"/7/timerslack_ns", "300000000\n")
	kubelet.Observe(true, 7)
	kubelet.Resume()
	assert.True(t, strings.HasPrefix(slackOf(t, b, "7"), "0"), "a thread's default")
	// A kernel without the file, and a process that ends meanwhile.
	kubelet.Observe(true, 8)
	kubelet.Observe(false, 0)
}

// A new thread is given long turns once; those that have them are not written to again.
func TestLongTurnsAreGivenOnce(t *testing.T) {
	b, _, kubelet, _ := pauseBoard(t)
	kubelet.Pause, kubelet.LongTurns = nil, true
	slack := b.Layout.Proc() + "/7/timerslack_ns"
	boardtest.Put(t, b.Layout.Proc()+"/7/task/7/comm", "kube-apiserver\n")
	boardtest.Put(t, slack, "50000")
	kubelet.Observe(true, 7)
	assert.Equal(t, "300000000", slackOf(t, b, "7"))
	boardtest.Put(t, slack, "written meanwhile")
	boardtest.Put(t, b.Layout.Proc()+"/7/task/8/comm", "kube-apiserver\n")
	boardtest.Put(t, b.Layout.Proc()+"/8/timerslack_ns", "50000")
	kubelet.Observe(true, 7)
	assert.Equal(t, "300000000", slackOf(t, b, "8"))
	assert.Equal(t, "written meanwhile", slackOf(t, b, "7"))
}
