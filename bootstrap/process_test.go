package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

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
