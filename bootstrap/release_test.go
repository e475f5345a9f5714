package bootstrap

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

func releaseOptions(b *fakeBoard) ReleaseOptions {
	return ReleaseOptions{Layout: b.layout, Wait: true, Patience: time.Hour, Poll: time.Millisecond, Now: time.Now, Tell: func(string) {}}
}

// stagedBoard has a kubelet, etcd in place and everything else staged.
func stagedBoard(t *testing.T) *fakeBoard {
	b := newFakeBoard(t).withSystemd()
	put(t, b.layout.KubeletConfig(), "")
	require.NoError(t, b.layout.openState())
	require.NoError(t, b.layout.installUnit(packaged))
	for _, c := range plan.Components() {
		require.NoError(t, b.makeManifest(c))
		if c != plan.Etcd {
			require.NoError(t, b.layout.stage(c))
		}
	}
	return b
}

func TestReleaseWaitsForTheAPIServer(t *testing.T) {
	b := stagedBoard(t)
	b.sick = 3
	released, err := Release(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], released)
	assert.Equal(t, []string{"etcd", "etcd,kube-apiserver"}, b.seen[:2], "each waits for those before it")
	assert.Len(t, b.manifests(), 4)
	file, link := b.layout.unitPaths()
	assert.NoFileExists(t, file)
	_, err = os.Lstat(link)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// An API server that never comes does not keep the others away for good.
func TestReleasePatienceEnds(t *testing.T) {
	b := stagedBoard(t)
	b.sick = 1 << 30
	o := releaseOptions(b)
	o.Patience = 20 * time.Millisecond
	_, err := Release(context.Background(), o)
	require.NoError(t, err)
	assert.Len(t, b.manifests(), 4)
}

func TestReleaseStandsAsideForARun(t *testing.T) {
	b := stagedBoard(t)
	unlock, err := b.layout.lock()
	require.NoError(t, err)
	released, err := Release(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Empty(t, released)
	assert.Len(t, b.manifests(), 1)
	unlock()
}

// Before a kubelet is set up nothing reads manifests: they stay for the resume.
func TestReleaseBeforeTheKubelet(t *testing.T) {
	b := stagedBoard(t)
	require.NoError(t, os.Remove(b.layout.KubeletConfig()))
	released, err := Release(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Empty(t, released)
	assert.Len(t, b.layout.stagedNow(), 3)
}

// The unit in packaging/ is the one that init installs, for the packaged place.
func TestPackagedUnit(t *testing.T) {
	const path = "../packaging/" + unitName
	want, err := Unit("/usr/bin/kubeadm-arm")
	require.NoError(t, err)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(text))
}

func packaged() (string, error) { return "/usr/bin/kubeadm-arm", nil }

// A program that root's units must not name, or cannot, installs no unit.
func TestUnitPaths(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, b.layout.installUnit(packaged))
	file, _ := b.layout.unitPaths()
	assert.NoFileExists(t, file, "no systemd here")
	b.withSystemd()
	require.NoError(t, b.layout.installUnit(nil))
	assert.NoFileExists(t, file)
	for _, path := range []string{"", "a", "/a\nExecStart=/x", "/a'b", "/a$b"} {
		require.Error(t, b.layout.installUnit(func() (string, error) { return path, nil }), path)
		assert.NoFileExists(t, file, path)
	}
	untrusted := func() (string, error) {
		return "", &systemd.UntrustedError{Program: "/tmp/x", Path: "/tmp", Why: "is anybody's"}
	}
	var refused *RefusedError
	require.ErrorAs(t, b.layout.installUnit(untrusted), &refused)
	assert.Equal(t, UntrustedProgram, refused.Reason)
	assert.NoFileExists(t, file)
	stages := plan.Plan{Steps: []plan.Step{plan.StageManifests{}}}
	assert.ErrorAs(t, CheckProgram(b.layout, stages, untrusted), &refused)
	assert.NoError(t, CheckProgram(b.layout, plan.Plan{}, untrusted), "a plan that stages nothing needs no unit")
	require.NoError(t, b.layout.installUnit(func() (string, error) { return "/opt/my tools/100%", nil }))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nExecStart=\"/opt/my tools/100%%\" release --wait\n")
	require.NoError(t, b.layout.installUnit(packaged))
	require.NoError(t, b.layout.installUnit(packaged), "again changes nothing")
	assert.FileExists(t, file)
	require.NoError(t, b.layout.removeUnit())
	require.NoError(t, b.layout.removeUnit())
	assert.NoFileExists(t, file)
	// A package's own stays as it is.
	put(t, b.layout.at("/lib/systemd/system/"+unitName), "packaged")
	put(t, b.layout.at("/etc/systemd/system/multi-user.target.wants/"+unitName), "enabled")
	require.NoError(t, b.layout.installUnit(packaged))
	assert.NoFileExists(t, file)
	require.NoError(t, b.layout.removeUnit())
	assert.FileExists(t, b.layout.at("/etc/systemd/system/multi-user.target.wants/"+unitName))
}
