package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenameNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(one, []byte("one"), 0o600))
	require.NoError(t, os.WriteFile(other, []byte("other"), 0o600))
	require.ErrorIs(t, FS{}.Rename(one, other), fs.ErrExist)
	text, err := os.ReadFile(other)
	require.NoError(t, err)
	assert.Equal(t, "other", string(text))
	require.NoError(t, FS{}.Exchange(one, other))
	text, err = os.ReadFile(other)
	require.NoError(t, err)
	assert.Equal(t, "one", string(text))
}

// The hook's error takes the place of the change, and each change is announced
// before and after.
func TestHook(t *testing.T) {
	dir := t.TempDir()
	var seen []Change
	f := FS{Hook: func(c Change) error { seen = append(seen, c); return nil }}
	require.NoError(t, f.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
	require.NoError(t, f.WriteFile(filepath.Join(dir, "a/b/c"), []byte("x"), 0o640))
	require.NoError(t, f.Rename(filepath.Join(dir, "a/b/c"), filepath.Join(dir, "a/c")))
	require.NoError(t, f.Remove(filepath.Join(dir, "a/c")))
	require.NoError(t, f.Remove(filepath.Join(dir, "a/c")), "there is none")
	var ops []string
	for i, c := range seen {
		assert.Equal(t, i%2 == 1, c.Done)
		if c.Done {
			ops = append(ops, c.Op)
		}
	}
	assert.Equal(t, []string{"mkdir", "sync", "mkdir", "sync", "write", "sync", "rename", "sync", "sync", "remove",
		"sync"}, ops)

	f.Hook = func(c Change) error { return syscall.EIO }
	require.ErrorIs(t, f.WriteFile(filepath.Join(dir, "never"), nil, 0o600), syscall.EIO)
	require.NoFileExists(t, filepath.Join(dir, "never"))
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	assert.Equal(t, []string{dir + "/a", dir + "/a/b"}, Missing(dir+"/a/b"))
	assert.Empty(t, Missing(dir))
	require.NoError(t, os.Symlink("nowhere", dir+"/link"))
	assert.True(t, Exists(dir+"/link"))
	assert.True(t, errors.Is(FS{}.MkdirAll(dir+"/link/x", 0o700), fs.ErrNotExist), "a dangling link is not followed")
}
