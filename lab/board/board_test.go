package board

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/deps"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

// The tests below start real boards with a lab built for them. The first time
// they build Kubernetes, which takes minutes; afterwards it is in the cache.

var labProgram struct{ path, dir string }

func TestMain(m *testing.M) {
	code := m.Run()
	if labProgram.dir != "" {
		_ = os.RemoveAll(labProgram.dir)
	}
	os.Exit(code)
}

// needBoard builds lab and everything that a board needs.
func needBoard(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("boards need root")
	}
	if labProgram.path != "" {
		return
	}
	require.NoError(t, deps.Install(t.Context(), deps.ForBoards()))
	dir, err := os.MkdirTemp("", "lab-test-")
	require.NoError(t, err)
	labProgram.dir = dir
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "lab"),
		"github.com/kubeadm-arm/kubeadm-arm/lab").CombinedOutput()
	require.NoError(t, err, string(out))
	programs, err := kube.Build(t.Context(), kube.Target{Version: kube.DefaultVersion, Arch: runtime.GOARCH})
	require.NoError(t, err)
	_, err = kube.ImageArchive(t.Context(), programs, "/",
		kube.Target{Version: kube.DefaultVersion, Arch: runtime.GOARCH})
	require.NoError(t, err)
	labProgram.path = filepath.Join(dir, "lab")
}

// labRun runs lab and returns its output and exit code.
func labRun(t *testing.T, args ...string) (stdout, stderr string, code int) {
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Hour)
	defer cancel()
	cmd := exec.CommandContext(ctx, labProgram.path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run()
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func labOK(t *testing.T, args ...string) string {
	t.Helper()
	out, errOut, code := labRun(t, args...)
	require.Zero(t, code, "lab %v\n%s%s", args, out, errOut)
	return out
}

// upBoard starts a board that the test's end takes down.
func upBoard(t *testing.T, flags ...string) (name string) {
	needBoard(t)
	name = fmt.Sprintf("test-%d", os.Getpid())
	before := traces(t, name)
	require.Empty(t, before.own)
	labOK(t, append([]string{"up", "--name", name, "--for", strconv.Itoa(os.Getpid())}, flags...)...)
	t.Cleanup(func() {
		here := boardOf(t, name)
		labOK(t, "down", "--name", name)
		requireGone(t, name, before, here)
	})
	return name
}

// boardTraces are what a running board consists of.
type boardTraces struct {
	processes []Process
	spaces    map[string]bool // what /proc/PID/ns/* of its first process say
}

func boardOf(t *testing.T, name string) boardTraces {
	b, err := Load(name)
	require.NoError(t, err)
	groups, err := cgroup.Find(name)
	require.NoError(t, err)
	here := boardTraces{spaces: map[string]bool{}, processes: []Process{b.First, b.DiskServer, b.Pacer}}
	for _, pid := range groups.PIDs() {
		here.processes = append(here.processes, ProcessOf(pid))
	}
	for _, ns := range []string{"mnt", "net", "uts", "ipc", "pid", "cgroup"} {
		text, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", b.First.PID, ns))
		require.NoError(t, err)
		own, err := os.Readlink("/proc/self/ns/" + ns)
		require.NoError(t, err)
		assert.NotEqual(t, own, text, "the board shares a namespace with this machine")
		here.spaces[text] = true
	}
	return here
}

// hostTraces are what a board could change on this machine. Other boards may
// come and go meanwhile: own names only what carries this board's name.
type hostTraces struct {
	mounts, links, settings string
	own                     []string
}

func traces(t *testing.T, name string) hostTraces {
	var h hostTraces
	text, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	h.mounts = string(text)
	links, err := os.ReadDir("/sys/class/net")
	require.NoError(t, err)
	for _, l := range links {
		h.links += l.Name() + " "
	}
	for _, setting := range slices.Sorted(maps.Keys(kernelSettings())) {
		text, err := os.ReadFile("/proc/sys/" + setting)
		require.NoError(t, err)
		h.settings += setting + "=" + string(text)
	}
	groups, err := cgroup.Find(name)
	require.NoError(t, err)
	dir, err := DirOf(name)
	require.NoError(t, err)
	own, err := paceGroups(name)
	require.NoError(t, err)
	for _, d := range slices.Concat(groups.Dirs(), own.Dirs(), []string{dir}) {
		if cache.IsDir(d) {
			h.own = append(h.own, d)
		}
	}
	stats, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, p := range stats {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		in, _ := os.ReadFile(filepath.Join(p, "cgroup"))
		if strings.Contains(string(line), dir) || strings.HasSuffix(string(line), "/networks/"+name+"\x00") ||
			strings.Contains(string(in), groups.Name+"\n") || strings.Contains(string(in), groups.Name+"/") {
			h.own = append(h.own, p+" "+string(line))
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, l := range loops {
		text, _ := os.ReadFile(l)
		if strings.Contains(string(text), dir) {
			h.own = append(h.own, l)
		}
	}
	return h
}

func requireGone(t *testing.T, name string, before hostTraces, was boardTraces) {
	t.Helper()
	after := traces(t, name)
	assert.Empty(t, after.own)
	assert.Equal(t, before.mounts, after.mounts)
	assert.Equal(t, before.links, after.links)
	assert.Equal(t, before.settings, after.settings)
	for _, p := range was.processes {
		assert.False(t, p.Alive(), "process %d lives on", p.PID)
	}
	spaces, err := filepath.Glob("/proc/[0-9]*/ns/*")
	require.NoError(t, err)
	for _, s := range spaces {
		// A zombie that nobody has waited for yet names a namespace but keeps none.
		pid, _ := strconv.Atoi(strings.Split(s, "/")[2])
		if text, err := os.Readlink(s); err == nil && startTime(pid) != 0 {
			assert.False(t, was.spaces[text], "%s is still in the board's %s", s, text)
		}
	}
}

// TestBoardStockKubeadm brings up a whole cluster with stock kubeadm.
func TestBoardStockKubeadm(t *testing.T) {
	name := upBoard(t)
	run := func(args ...string) string {
		return labOK(t, append([]string{"run", "--name", name, "--"}, args...)...)
	}
	out := run("kubeadm", "init", "--config", "/etc/kubeadm-lab.yaml")
	assert.Contains(t, out, "kubeadm join 10.88.0.2:6443 --token ")
	run("kubectl", "wait", "--for=condition=Ready", "node", name, "--timeout=4m")
	run("kubectl", "-n", "kube-system", "rollout", "status", "--timeout=4m", "daemonset/kube-proxy")
	run("kubectl", "-n", "kube-system", "rollout", "status", "--timeout=4m", "deployment/coredns")
	assert.Contains(t, run("kubectl", "version"), "Server Version: "+kube.DefaultVersion)
	// The service address goes through kube-proxy's rules.
	assert.Contains(t, run("kubectl", "--server=https://10.96.0.1:443", "get", "--raw", "/readyz"), "ok")
	// kubeadm sees a service manager.
	assert.Equal(t, "active\n", run("systemctl", "is-active", "kubelet.service"))

	t.Run("reboot", func(t *testing.T) {
		labOK(t, "reboot", "--name", name)
		run("sh", "-c", "until kubectl get --raw /readyz; do sleep 1; done")
		assert.Contains(t, run("kubectl", "get", "nodes"), name)
	})
}

func TestBoardIsItsOwn(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own-program")
	require.NoError(t, os.WriteFile(own, []byte("#!/bin/sh\necho \"own $X\"\nexit 7\n"), 0o644))
	name := upBoard(t, "--bin", own, "--cpus", "1", "--memory", "1GiB")
	run := func(args ...string) (string, string, int) {
		return labRun(t, append([]string{"run", "--name", name, "--"}, args...)...)
	}
	_, _, code := run("sh", "-c", "exit 3")
	assert.Equal(t, 3, code)
	_, _, code = run("sh", "-c", "kill -9 $$")
	assert.Equal(t, 128+9, code)
	_, errOut, code := run("unheard-of")
	assert.Equal(t, 127, code)
	assert.Contains(t, errOut, "unheard-of")
	_, _, code = labRun(t, "run", "--name", "nobody", "--", "true")
	assert.Equal(t, ExitLab, code)

	out, _, code := labRun(t, "run", "--name", name, "--env", "X=77", "own-program")
	assert.Equal(t, "own 77\n", out)
	assert.Equal(t, 7, code)

	out, _, _ = run("hostname")
	assert.Equal(t, name+"\n", out)
	out, _, _ = run("nproc")
	assert.Equal(t, "1\n", out)
	out, _, _ = run("sh", "-c", "ls /work /var/lib/dpkg; cat /etc/hostname")
	assert.Equal(t, name+"\n", out, "this machine's files are not the board's")
	out, _, _ = run("sh", "-c", "cat /proc/sys/net/ipv4/ip_forward; ip -br -4 addr show eth0 | tr -s ' '")
	assert.Equal(t, "1\neth0 UP 10.88.0.2/24 \n", strings.Replace(out, "UNKNOWN", "UP", 1))
	_, _, code = run("sh", "-c", "echo 3 > /proc/sys/kernel/panic && echo x > /usr/bin/kubeadm && rm "+
		"/usr/bin/kubectl && echo 9 > /etc/motd")
	assert.Zero(t, code, "a board may be broken")
	_, _, code = run("timeout", "2", "socat", "/dev/null", "TCP:1.1.1.1:53,connect-timeout=1")
	assert.NotZero(t, code, "there is no way out")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o640))
	labOK(t, "cp", file, name+":/root/new/file")
	out, _, _ = run("stat", "-c", "%a %s", "/root/new/file")
	assert.Equal(t, "640 4\n", out)
	labOK(t, "cp", name+":/root/new/file", file+"2")
	text, err := os.ReadFile(file + "2")
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	_, _, code = labRun(t, "cp", name+":/nonexistent", file+"3")
	assert.Equal(t, 1, code)
	assert.NoFileExists(t, file+"3")

	_, errOut, code = labRun(t, "up", "--name", name)
	assert.Equal(t, 1, code)
	assert.Contains(t, errOut, "there already")
}

// TestBoardSignals: what ends lab run ends the command, once.
func TestBoardSignals(t *testing.T) {
	name := upBoard(t)
	const script = `trap 'echo int' INT; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done`
	cmd := exec.Command(labProgram.path, "run", "--name", name, "--", "sh", "-c", script)
	out := &lockedBuffer{}
	cmd.Stdout = out
	require.NoError(t, cmd.Start())
	seen := func(want string) {
		require.Eventually(t, func() bool { return out.String() == want }, time.Hour, 5*time.Millisecond, "%q, got %q",
			want, out)
	}
	seen("ready\n")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	seen("ready\nint\n")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	assert.Equal(t, 5, cmd.ProcessState.ExitCode())
	assert.Equal(t, "ready\nint\nterm\n", out.String())
}

// TestBoardThrottle compares CPU seconds with the wall clock: a share, not a
// time.
func TestBoardThrottle(t *testing.T) {
	name := upBoard(t, "--cpu", "5%")
	status := func() Status {
		var all []Status
		require.NoError(t, json.Unmarshal([]byte(labOK(t, "status", "--json")), &all))
		for _, b := range all {
			if b.Name == name {
				return b
			}
		}
		t.Fatal("no such board")
		return Status{}
	}
	share := func() float64 {
		before, begin := status(), time.Now()
		labRun(t, "run", "--name", name, "--", "timeout", "2", "sh", "-c", "while :; do :; done")
		return (status().CPUSeconds - before.CPUSeconds) / time.Since(begin).Seconds()
	}
	slow := share()
	assert.Less(t, slow, 0.1)
	assert.Greater(t, slow, 0.01)
	labOK(t, "throttle", "--name", name, "--cpu", "50%", "--period", "20ms")
	assert.Greater(t, share(), 3*slow)
	s := status()
	assert.True(t, s.Alive)
	assert.InDelta(t, 0.5, s.Limits.CPU, 1e-9)
	assert.Equal(t, 20*time.Millisecond, s.Limits.Period)
	assert.Positive(t, s.MemoryBytes)
	assert.Contains(t, s.ByProgram, "containerd")

	_, errOut, code := labRun(t, "throttle", "--name", name, "--cpu", "0.01%")
	assert.Equal(t, 1, code)
	assert.Contains(t, errOut, "least quota")
}

// TestBoardThatImports: the first board of a version imports its images, which
// is not what the board itself wrote. It gets a cache without imported images.
func TestBoardThatImports(t *testing.T) {
	needBoard(t)
	cache, err := cache.Dir()
	require.NoError(t, err)
	own, err := os.MkdirTemp(cache, "test-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(own)) })
	programs := filepath.Join("programs", kube.Target{Version: kube.DefaultVersion, Arch: runtime.GOARCH}.String())
	require.NoError(t, os.MkdirAll(filepath.Join(own, programs), 0o755))
	files, err := os.ReadDir(filepath.Join(cache, programs))
	require.NoError(t, err)
	for _, f := range files {
		if f.Type().IsRegular() {
			require.NoError(t, os.Link(filepath.Join(cache, programs, f.Name()),
				filepath.Join(own, programs, f.Name())))
		}
	}
	t.Setenv("KUBEADM_ARM_CACHE", own)
	name := upBoard(t)
	require.DirExists(t, filepath.Join(own, programs, "containerd-store"))
	for _, after := range []string{"up", "reboot"} {
		if after == "reboot" {
			labOK(t, "reboot", "--name", name)
		}
		var all []Status
		require.NoError(t, json.Unmarshal([]byte(labOK(t, "status", "--json", "--name", name)), &all))
		require.Len(t, all, 1)
		assert.Less(t, all[0].WrittenBytes, int64(10<<20), after)
		assert.GreaterOrEqual(t, all[0].CPUSeconds, 0.0, after)
	}
}

func TestBoardSlowDisk(t *testing.T) {
	name := upBoard(t, "--disk-flush", "30ms", "--disk-rate", "8MiB")
	const script = `cd /var/lib && time -p dd if=/dev/zero of=x bs=4k count=10 oflag=dsync && time -p dd if=/dev/zero of=y bs=1M count=8 conv=fsync`
	_, errOut, code := labRun(t, "run", "--name", name, "--", "bash", "-c", script)
	require.Zero(t, code, errOut)
	var times []float64
	for _, line := range strings.Split(errOut, "\n") {
		var s float64
		if _, err := fmt.Sscanf(line, "real %f", &s); err == nil {
			times = append(times, s)
		}
	}
	require.Len(t, times, 2, errOut)
	assert.GreaterOrEqual(t, times[0], 0.3, "ten synced writes take at least ten flushes")
	assert.GreaterOrEqual(t, times[1], 1.0, "8 MiB at 8 MiB a second")
	assert.Contains(t, labOK(t, "run", "--name", name, "--", "findmnt", "-n", "-o", "FSTYPE", "/"), "ext4")
}

// TestBoardInterrupted ends lab up at many moments: nothing is left.
func TestBoardInterrupted(t *testing.T) {
	needBoard(t)
	name := fmt.Sprintf("test-int-%d", os.Getpid())
	before := traces(t, name)
	for i := range 7 {
		cmd := exec.Command(labProgram.path, "up", "--name", name, "--cpu", "5%", "--disk-flush", "1ms", "--network", name)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(i) * 120 * time.Millisecond)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() == 0 {
			// It was up before the signal came.
			labOK(t, "down", "--name", name)
		}
		requireGone(t, name, before, boardTraces{})
	}
}

// TestBoardOfKilledLab kills lab up at many moments: lab down clears away
// what is left.
func TestBoardOfKilledLab(t *testing.T) {
	needBoard(t)
	name := fmt.Sprintf("test-kill-%d", os.Getpid())
	before := traces(t, name)
	for i := range 7 {
		cmd := exec.Command(labProgram.path, "up", "--name", name, "--disk-flush", "1ms", "--network", name)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(i) * 120 * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		out, errOut, code := labRun(t, "down", "--name", name)
		if code != 0 {
			require.Contains(t, errOut, "not up", out)
		}
		// A program that was just being started notices that lab is gone.
		require.Eventually(t, func() bool { return len(traces(t, name).own) == 0 }, time.Hour, 20*time.Millisecond)
		requireGone(t, name, before, boardTraces{})
	}
}
