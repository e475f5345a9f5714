package bootstrap

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadKernelFile(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 1023, 1024, 1025, 70_000} {
		text := strings.Repeat("x", size)
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		got, err := readKernelFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	// A file of the kernel's that does not know its size.
	got, err := readKernelFile("/proc/self/cmdline")
	require.NoError(t, err)
	want, err := os.ReadFile("/proc/self/cmdline")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, err = readKernelFile(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = readKernelFile(dir)
	require.ErrorIs(t, err, syscall.EISDIR)
	require.ErrorContains(t, err, dir)
}

func TestWriteKernelFileMakesNone(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, writeKernelFile(filepath.Join(dir, "none"), "1"), fs.ErrNotExist)
	assert.Empty(t, namesIn(dir))
	path := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, writeKernelFile(path, "20000000"))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "20000000", string(got))
}

func TestNumbersIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1", "4194303", "self", "thread-self", "sys"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	assert.ElementsMatch(t, []string{"1", "4194303"}, numbersIn(dir))
	assert.Empty(t, numbersIn(filepath.Join(dir, "none")))
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
