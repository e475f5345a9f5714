package linux

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

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 1023, 1024, 1025, 70_000} {
		text := strings.Repeat("x", size)
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		got, err := ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	// A file of the kernel's that does not know its size.
	got, err := ReadFile("/proc/self/cmdline")
	require.NoError(t, err)
	want, err := os.ReadFile("/proc/self/cmdline")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, err = ReadFile(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ReadFile(dir)
	require.ErrorIs(t, err, syscall.EISDIR)
	require.ErrorContains(t, err, dir)
}

func TestWriteFileMakesNone(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, WriteFile(filepath.Join(dir, "none"), "1"), fs.ErrNotExist)
	assert.Empty(t, Names(dir))
	path := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, WriteFile(path, "20000000"))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "20000000", string(got))
}

func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1", "4194303", "self", "thread-self", "sys"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	assert.ElementsMatch(t, []string{"1", "4194303"}, Numbers(dir))
	assert.Empty(t, Numbers(filepath.Join(dir, "none")))
}
