package bootstrap

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// addProcess makes a process with two threads below the board's /proc.
func (b *fakeBoard) addProcess(name string, pid, thread string) (slackFiles []string) {
	proc := b.layout.Proc()
	put(b.t, filepath.Join(proc, pid, "comm"), name+"\n")
	for _, task := range []string{pid, thread} {
		require.NoError(b.t, os.MkdirAll(filepath.Join(proc, pid, "task", task), 0o755))
		file := filepath.Join(proc, task, "timerslack_ns")
		put(b.t, file, "50000")
		slackFiles = append(slackFiles, file)
	}
	return slackFiles
}

func TestTuneServices(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, os.MkdirAll(b.layout.At("/etc/systemd/system"), 0o755))
	slack := b.addProcess("containerd", "301", "302")
	other := b.addProcess("sshd", "401", "402")
	r := newRun(Options{Layout: b.layout, Now: time.Now, Tell: func(Event) {}})
	step := plan.TuneServices{TimerSlack: 20 * time.Millisecond, Kubelet: []plan.Variable{{Name: "GOMAXPROCS",
		Value: "1"}}}
	for range 2 { // a resumed run does it again
		require.NoError(t, r.tuneServices(step))
	}
	for _, file := range slack {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), "20000000", file)
	}
	for _, file := range other {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, "50000", string(text), "not ours to change")
	}
	const head = "# Written by kubeadm-arm init; kubeadm-arm reset removes it.\n[Service]\nTimerSlackNSec=20000000\n"
	for unit, want := range map[string]string{"kubelet": head + "Environment=GOMAXPROCS=1\n", "containerd": head} {
		text, err := os.ReadFile(b.layout.DropIn(unit))
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
	assert.NoFileExists(t, b.layout.DropIn("docker"), "no such runtime runs here")

	put(t, b.layout.At("/etc/systemd/system/kubelet.service.d/10-owner.conf"), "[Service]\n")
	removed, err := removeDropIns(b.layout)
	require.NoError(t, err)
	assert.Len(t, removed, 2)
	assert.FileExists(t, b.layout.At("/etc/systemd/system/kubelet.service.d/10-owner.conf"))
	assert.NoDirExists(t, b.layout.At("/etc/systemd/system/containerd.service.d"))
	for _, file := range slack {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, "0", string(text[:1]), "the kernel's default again: %s", file)
	}
}

// What counts is what the board's systemd was built for, not what this program was.
func TestDropInsFollowTheBoard(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, os.MkdirAll(b.layout.At("/etc/systemd/system"), 0o755))
	r := newRun(Options{Layout: b.layout, Now: time.Now, Tell: func(Event) {}, ARM32: true})
	require.NoError(t, r.tuneServices(plan.TuneServices{TimerSlack: 20 * time.Millisecond}))
	text, err := os.ReadFile(b.layout.DropIn("kubelet"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "/timerslack_ns")
}

// A run that kubeadm refuses leaves the running container runtime as it was.
func TestRefusedRunUntunes(t *testing.T) {
	b := newFakeBoard(t)
	slack := b.addProcess("containerd", "301", "302")
	o := b.options()
	o.Plan.Steps = append([]plan.Step{plan.TuneServices{TimerSlack: 20 * time.Millisecond}}, o.Plan.Steps...)
	o.Runner = func(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		text, err := os.ReadFile(slack[0])
		require.NoError(t, err)
		assert.Equal(t, "20000000", string(text))
		return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: unknown flag\n",
			Err: errors.New("exit status 1")}
	}
	out, err := Run(context.Background(), o)
	require.Error(t, err)
	require.True(t, out.Untouched)
	for _, file := range slack {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, "0", string(text[:1]), file)
	}
}

// A board without systemd gets no files of systemd's; a kernel that refuses is
// no reason to stop.
func TestTuneServicesWithoutSystemd(t *testing.T) {
	b := newFakeBoard(t)
	put(t, filepath.Join(b.layout.Proc(), "301", "comm"), "containerd\n")
	require.NoError(t, os.MkdirAll(filepath.Join(b.layout.Proc(), "301", "task", "301"), 0o755))
	// A folder where the file should be: it can be opened by nobody.
	require.NoError(t, os.MkdirAll(filepath.Join(b.layout.Proc(), "301", "timerslack_ns"), 0o755))
	var notes []string
	r := newRun(Options{Layout: b.layout, Now: time.Now, Tell: func(e Event) { notes = append(notes, e.Detail) }})
	require.NoError(t, r.tuneServices(plan.TuneServices{TimerSlack: time.Millisecond}))
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "containerd keeps its timers until it is started again")
	assert.NoDirExists(t, b.layout.At("/etc/systemd"))
}

// Seen on Debian 12 armhf: systemd gave the kubelet a slack of 50 µs and
// containerd one of 0.54 s, whatever TimerSlackNSec= said.
func TestDropInOn32BitARM(t *testing.T) {
	text := string(dropInText(true, 20*time.Millisecond, nil))
	assert.NotContains(t, text, "TimerSlackNSec")
	assert.Contains(t, text, "ExecStartPost=-/bin/sh -c '")
	assert.Contains(t, string(dropInText(false, 20*time.Millisecond, nil)), "TimerSlackNSec=20000000\n")
	// What systemd makes of it, with a process of our own (systemd.service(5): $$ is $).
	pid := boardtest.Sleeper(t)
	_, command, _ := strings.Cut(text, "-c '")
	command, _, _ = strings.Cut(command, "'")
	command = strings.ReplaceAll(strings.ReplaceAll(command, "$MAINPID", strconv.Itoa(pid)), "$$", "$")
	out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput()
	require.NoError(t, err, string(out))
	slack, err := linux.Proc("/proc").TimerSlack(pid)
	require.NoError(t, err)
	assert.Equal(t, 20*time.Millisecond, slack)
}
