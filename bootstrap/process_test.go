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
	put := func(pid, name string, started int) {
		dir := filepath.Join(proc, pid)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cmdline"), []byte(name+"\x00--flag"), 0o644))
		stat := fmt.Sprintf("%s (%s) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 %d 0 0", pid, name, started)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644))
	}
	put("10", "etcd", 100)
	put("11", "kube-apiserver", 200)
	p, ok := findAgain(proc, "kube-apiserver", Observation{})
	require.True(t, ok)
	require.Equal(t, 11, p.PID)
	last := Observation{Running: true, PID: 11, Started: 200}
	p, ok = findAgain(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 100*time.Millisecond, p.CPU)

	// The number now belongs to another process, the container was restarted.
	put("11", "pause", 300)
	put("12", "kube-apiserver", 301)
	p, ok = findAgain(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.Equal(t, 12, p.PID)

	// The same number, the same program, but a later start.
	put("11", "kube-apiserver", 400)
	p, ok = findAgain(proc, "kube-apiserver", last)
	require.True(t, ok)
	require.EqualValues(t, 400, p.Started)
}
