package linux

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

func TestParseProcess(t *testing.T) {
	p, err := ParseProcess([]byte("42 (a ) (b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 987654 1000 10 " +
		"18446744073709551615\n"))
	require.NoError(t, err)
	assert.Equal(t, Process{PID: 42, Parent: 1, Started: 987654, CPU: 2 * time.Second, State: 'S'}, p)
	for _, bad := range []string{"", "42", "42 (x", "x (y) S", "42 (x) S 1 2 3",
		"42 (x) S 1 1 1 1 1 1 1 1 1 1 x 1 1 1 1 1 1 1 1 1"} {
		_, err := ParseProcess([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func FuzzParseProcess(f *testing.F) {
	f.Add([]byte("42 (a ) (b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 987654"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = ParseProcess(text) })
}

func TestFindAgain(t *testing.T) {
	proc := t.TempDir()
	f := Finder{Proc: Proc(proc)}
	put := func(pid, name string, started int) {
		dir := filepath.Join(proc, pid)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), []byte(name+"\x00--flag"), 0o644))
		stat := fmt.Sprintf("%s (%s) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 %d 0 0", pid, name, started)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644))
	}
	put("10", "etcd", 100)
	put("11", "kube-apiserver", 200)
	p, ok := f.Again("kube-apiserver", Process{})
	require.True(t, ok)
	require.Equal(t, 11, p.PID)
	last := Process{PID: 11, Started: 200}
	p, ok = f.Again("kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 100*time.Millisecond, p.CPU)

	// The number now belongs to another process, the container was restarted.
	put("11", "pause", 300)
	put("12", "kube-apiserver", 301)
	p, ok = f.Again("kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 12, p.PID)

	// The same number, the same program, but a later start.
	put("11", "kube-apiserver", 400)
	p, ok = f.Again("kube-apiserver", last)
	require.True(t, ok)
	require.EqualValues(t, 400, p.Started)
}

// What a process calls itself is no evidence: a user's process is not waited for and
// not paused, whatever its name and its command line are.
func TestUsersProcessesAreNotTrusted(t *testing.T) {
	roottest.Need(t, "files of another user are made")
	proc := t.TempDir()
	const nobody = 65534
	forge := func(pid int, name, cmdline string, parent, owner int) {
		dir := fmt.Sprintf("%s/%d", proc, pid)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for file, text := range map[string]string{
			"comm": name + "\n", "cmdline": cmdline,
			"stat": fmt.Sprintf("%d (%s) S %d 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 9000 0 0", pid, name, parent),
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
		}
		require.NoError(t, os.Lchown(dir, owner, owner))
	}
	forge(502, "kubelet", "/usr/bin/kubelet\x00", 1, nobody)
	forge(503, "kube-apiserver", "kube-apiserver\x00", 504, nobody)
	forge(504, "bash", "bash\x00", 1, 0) // as of su(1)
	assert.Empty(t, Proc(proc).Named("kubelet", "kube-apiserver"))
	f := Finder{Proc: Proc(proc)}
	_, ok := f.Newest("kube-apiserver")
	assert.False(t, ok, "a user's")

	forge(505, "kube-apiserver", "kube-apiserver\x00", 506, nobody)
	forge(506, "containerd-shim", "/usr/bin/containerd-shim-runc-v2\x00", 1, 0)
	p, ok := f.Newest("kube-apiserver")
	require.True(t, ok)
	assert.Equal(t, 505, p.PID, "a rootless control plane's is made by a shim of root's")
	require.NoError(t, os.Lchown(proc+"/506", nobody, nobody))
	assert.Empty(t, Proc(proc).Named("kube-apiserver"), "anybody can have such a shim")
}

// A process that had ended when it was seen first has no command line, and another
// may get its number.
func TestNumbersWithoutACommandLineAreReadAgain(t *testing.T) {
	proc := t.TempDir()
	dir := filepath.Join(proc, "7")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), nil, 0o644))
	f := Finder{Proc: Proc(proc)}
	_, ok := f.Newest("etcd")
	require.False(t, ok)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), []byte("etcd\x00"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"),
		[]byte("7 (etcd) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 5 0 0"), 0o644))
	scans := 1
	for ; !ok && scans < 2*rereadEvery; scans++ {
		_, ok = f.Newest("etcd")
	}
	require.True(t, ok)
	require.LessOrEqual(t, scans, rereadEvery+1)
}
