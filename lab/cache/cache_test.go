package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCacheDir(t *testing.T) {
	for _, c := range []struct{ cache, xdg, home, want string }{
		{"/a", "/b", "/c", "/a"},
		{"", "/b", "/c", "/b/kubeadm-arm"},
		{"", "relative", "/c", "/c/.cache/kubeadm-arm"},
		{"", "", "/c", "/c/.cache/kubeadm-arm"},
	} {
		t.Setenv("KUBEADM_ARM_CACHE", c.cache)
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		got, err := Dir()
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	t.Setenv("HOME", "")
	got, err := Dir()
	require.NoError(t, err, "without a HOME the user database says where it is")
	assert.True(t, filepath.IsAbs(got))
}

func TestOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	failed := errors.New("failed")
	require.ErrorIs(t, Once(path, func(to string) error {
		require.NoError(t, os.WriteFile(to, nil, 0o644))
		return failed
	}), failed)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, left, "half a file stays")
	made := 0
	for range 2 {
		require.NoError(t, Once(path, func(to string) error { made++; return os.WriteFile(to, nil, 0o644) }))
	}
	assert.Equal(t, 1, made)
}

func TestLockIsGivenUpWhenInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Lock(ctx, path)
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	unlock, err = Lock(t.Context(), path)
	require.NoError(t, err)
	unlock()
}
