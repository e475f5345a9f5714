package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindAgain(t *testing.T) {
	proc := t.TempDir()
	var f finder
	put := func(pid, name string, started int) {
		dir := filepath.Join(proc, pid)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), []byte(name+"\x00--flag"), 0o644))
		stat := fmt.Sprintf("%s (%s) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 %d 0 0", pid, name, started)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644))
	}
	put("10", "etcd", 100)
	put("11", "kube-apiserver", 200)
	p, ok := f.again(proc, "kube-apiserver", Observation{})
	require.True(t, ok)
	require.Equal(t, 11, p.PID)
	last := Observation{Running: true, PID: 11, Started: 200}
	p, ok = f.again(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 100*time.Millisecond, p.CPU)

	// The number now belongs to another process, the container was restarted.
	put("11", "pause", 300)
	put("12", "kube-apiserver", 301)
	p, ok = f.again(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 12, p.PID)

	// The same number, the same program, but a later start.
	put("11", "kube-apiserver", 400)
	p, ok = f.again(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.EqualValues(t, 400, p.Started)
}

// TestWhatAProcessCallsItselfIsNoEvidence: a user's process keeps nobody from work, is
// not waited for and not paused, whatever its name and its command line are.
func TestWhatAProcessCallsItselfIsNoEvidence(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: files of another user are made")
	}
	b := newFakeBoard(t)
	const nobody = 65534
	forge := func(pid int, name, cmdline string, parent, owner int) {
		dir := fmt.Sprintf("%s/%d", b.layout.Proc(), pid)
		put(t, dir+"/comm", name+"\n")
		put(t, dir+"/cmdline", cmdline)
		put(t, dir+"/stat", fmt.Sprintf("%d (%s) S %d 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 9000 0 0", pid, name, parent))
		require.NoError(t, os.Lchown(dir, owner, owner))
	}
	forge(500, "kubeadm", "kubeadm\x00init\x00", 1, nobody)
	require.NoError(t, os.Symlink("/home/user/kubeadm", b.layout.Proc()+"/500/exe"))
	forge(501, "tail", "kubeadm\x00init\x00", 1, 0) // root's, but another program
	require.NoError(t, os.Symlink("/usr/bin/tail", b.layout.Proc()+"/501/exe"))
	assert.NoError(t, b.layout.otherInit())

	forge(502, "kubelet", "/usr/bin/kubelet\x00", 1, nobody)
	forge(503, "kube-apiserver", "kube-apiserver\x00", 504, nobody)
	forge(504, "bash", "bash\x00", 1, 0) // as of su(1)
	assert.Empty(t, b.layout.processesNamed("kubelet", "kube-apiserver"))
	var f finder
	p, ok := f.newest(b.layout.Proc(), "kube-apiserver")
	require.True(t, ok)
	assert.NotEqual(t, 503, p.PID, "the newest, but a user's")

	forge(505, "kube-apiserver", "kube-apiserver\x00", 506, nobody)
	forge(506, "containerd-shim", "/usr/bin/containerd-shim-runc-v2\x00", 1, 0)
	p, ok = f.newest(b.layout.Proc(), "kube-apiserver")
	require.True(t, ok)
	assert.Equal(t, 505, p.PID, "a rootless control plane's is made by a shim of root's")
	require.NoError(t, os.Lchown(b.layout.Proc()+"/506", nobody, nobody))
	assert.Empty(t, b.layout.processesNamed("kube-apiserver"), "anybody can have such a shim")
}

// A process that had ended when it was seen first has no command line, and another
// may get its number.
func TestNumbersWithoutACommandLineAreReadAgain(t *testing.T) {
	proc := t.TempDir()
	dir := filepath.Join(proc, "7")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), nil, 0o644))
	var f finder
	_, ok := f.newest(proc, "etcd")
	require.False(t, ok)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), []byte("etcd\x00"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), []byte("7 (etcd) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 5 0 0"), 0o644))
	scans := 1
	for ; !ok && scans < 2*forgetEvery; scans++ {
		_, ok = f.newest(proc, "etcd")
	}
	require.True(t, ok)
	require.LessOrEqual(t, scans, forgetEvery+1)
}
