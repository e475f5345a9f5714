package manifests

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// mount puts a file system of its own at path for the time of the test.
func mount(t *testing.T, path, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	require.NoError(t, os.MkdirAll(path, 0o755))
	require.NoError(t, syscall.Mount("test", path, "tmpfs", 0, options))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(path, syscall.MNT_DETACH)) })
}

// The folder became a mount while manifests were staged outside of it: they are
// copied, whole before the source goes.
func TestReleaseAcrossFileSystems(t *testing.T) {
	b := boardtest.New(t)
	require.NoError(t, state.Open(b.Layout))
	require.NoError(t, b.MakeManifest(plan.Scheduler))
	require.NoError(t, Stage(b.Layout, plan.Scheduler))
	before, err := os.ReadFile(StagedAt(b.Layout, plan.Scheduler))
	require.NoError(t, err)
	mount(t, b.Layout.Manifests(), "size=1m,mode=700")
	// A full target first: the staged one stays.
	full := b.Layout
	full.FS.Hook = func(c durable.Change) error {
		if c.Op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	require.ErrorIs(t, Release(full, plan.Scheduler), syscall.ENOSPC)
	require.NotEmpty(t, StagedAt(b.Layout, plan.Scheduler))
	// Ended between copy and removal: both are there and alike, which settles.
	full.FS.Hook = func(c durable.Change) error {
		if c.Op == "remove" {
			return syscall.EIO
		}
		return nil
	}
	require.ErrorIs(t, Release(full, plan.Scheduler), syscall.EIO)
	require.NoError(t, Release(b.Layout, plan.Scheduler))
	after, err := os.ReadFile(b.Layout.Manifest(plan.Scheduler))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	assert.Empty(t, Staged(b.Layout))
}

// What is in place is never replaced.
func TestReleaseReplacesNothing(t *testing.T) {
	b := boardtest.New(t)
	require.NoError(t, state.Open(b.Layout))
	require.NoError(t, b.MakeManifest(plan.Etcd))
	require.NoError(t, Stage(b.Layout, plan.Etcd))
	boardtest.Put(t, b.Layout.Manifest(plan.Etcd), "another")
	var twice *TwiceError
	require.ErrorAs(t, Release(b.Layout, plan.Etcd), &twice)
	_, err := ReleaseAll(b.Layout)
	require.ErrorAs(t, err, &twice)
	text, err := os.ReadFile(b.Layout.Manifest(plan.Etcd))
	require.NoError(t, err)
	assert.Equal(t, "another", string(text))
	require.Error(t, b.Layout.FS.Rename(StagedAt(b.Layout, plan.Etcd), b.Layout.Manifest(plan.Etcd)),
		"nor between a look and the move")
}

// A damaged staged manifest is not given to the kubelet.
func TestReleaseOfADamagedManifest(t *testing.T) {
	b := boardtest.New(t)
	boardtest.Put(t, b.Layout.State()+"/staged/etcd.yaml", "apiVersion: v1\nkind: P")
	err := Release(b.Layout, plan.Etcd)
	require.ErrorContains(t, err, "is damaged")
	assert.Empty(t, b.Manifests())
}
