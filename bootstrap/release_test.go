package bootstrap

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

func releaseOptions(b *fakeBoard) manifests.ReleaseOptions {
	return manifests.ReleaseOptions{Layout: b.layout, Wait: true, Patience: time.Hour, Poll: time.Millisecond,
		Now: time.Now, Tell: func(string) {}}
}

// stagedBoard has a kubelet, etcd in place and everything else staged.
func stagedBoard(t *testing.T) *fakeBoard {
	b := newFakeBoard(t).withSystemd()
	put(t, b.layout.KubeletConfig(), "")
	require.NoError(t, state.Open(b.layout))
	require.NoError(t, manifests.InstallUnit(b.layout, packaged))
	for _, c := range plan.Components() {
		require.NoError(t, b.MakeManifest(c))
		if c != plan.Etcd {
			require.NoError(t, manifests.Stage(b.layout, c))
		}
	}
	return b
}

func TestReleaseWaitsForTheAPIServer(t *testing.T) {
	b := stagedBoard(t)
	b.Sick = 3
	released, err := manifests.ReleaseInOrder(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], released)
	assert.Equal(t, []string{"etcd", "etcd,kube-apiserver"}, b.Seen[:2], "each waits for those before it")
	assert.Len(t, b.Manifests(), 4)
	file, link := b.layout.Unit(), b.layout.UnitLink()
	assert.NoFileExists(t, file)
	_, err = os.Lstat(link)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// An API server that never comes does not keep the others away for good.
func TestReleasePatienceEnds(t *testing.T) {
	b := stagedBoard(t)
	b.Sick = 1 << 30
	o := releaseOptions(b)
	o.Patience = 20 * time.Millisecond
	_, err := manifests.ReleaseInOrder(context.Background(), o)
	require.NoError(t, err)
	assert.Len(t, b.Manifests(), 4)
}

func TestReleaseStandsAsideForARun(t *testing.T) {
	b := stagedBoard(t)
	unlock, err := state.Lock(b.layout)
	require.NoError(t, err)
	defer unlock()
	o := releaseOptions(b)
	o.Wait = false
	released, err := manifests.ReleaseInOrder(context.Background(), o)
	require.NoError(t, err)
	assert.Empty(t, released)
	assert.Len(t, b.Manifests(), 1)
}

// What holds the lock may be a renewal of certificates, which releases nothing.
func TestReleaseOutlastsOthers(t *testing.T) {
	b := stagedBoard(t)
	unlock, err := state.Lock(b.layout)
	require.NoError(t, err)
	o := releaseOptions(b)
	looks := 0
	o.Now = func() time.Time {
		if looks++; looks == 5 {
			assert.Len(t, b.Manifests(), 1)
			unlock()
		}
		return time.Now()
	}
	released, err := manifests.ReleaseInOrder(context.Background(), o)
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], released)
}

// Before a kubelet is set up nothing reads manifests: they stay for the resume.
func TestReleaseBeforeTheKubelet(t *testing.T) {
	b := stagedBoard(t)
	require.NoError(t, os.Remove(b.layout.KubeletConfig()))
	released, err := manifests.ReleaseInOrder(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Empty(t, released)
	assert.Len(t, manifests.Staged(b.layout), 3)
}

func packaged() (string, error) { return "/usr/bin/kubeadm-arm", nil }

// Only a plan that stages something needs a program that root's unit may name.
func TestCheckProgram(t *testing.T) {
	b := newFakeBoard(t).withSystemd()
	untrusted := func() (string, error) {
		return "", &systemd.UntrustedError{Program: "/tmp/x", Path: "/tmp", Why: "is anybody's"}
	}
	stages := plan.Plan{Steps: []plan.Step{plan.StageManifests{}}}
	var refused *state.RefusedError
	assert.ErrorAs(t, CheckProgram(b.layout, stages, untrusted), &refused)
	assert.NoError(t, CheckProgram(b.layout, plan.Plan{}, untrusted))
}
