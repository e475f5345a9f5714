package bootstrap

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const kubeVIP = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip, namespace: kube-system}\n"

// withForeign puts static pods of others into the manifests folder.
func withForeign(t *testing.T, l state.Layout) []string {
	t.Helper()
	put(t, filepath.Join(l.Manifests(), "kube-vip.yaml"), kubeVIP)
	put(t, filepath.Join(l.Manifests(), "haproxy.json"), "{}")
	put(t, filepath.Join(l.Manifests(), ".hidden"), "")
	put(t, filepath.Join(filepath.Dir(l.Manifests()), "keepalived"), "x")
	require.NoError(t, os.Symlink("../keepalived", filepath.Join(l.Manifests(), "keepalived.yaml")))
	return []string{"haproxy.json", "keepalived.yaml", "kube-vip.yaml"}
}

func TestForeignPodsAreAccepted(t *testing.T) {
	b := newFakeBoard(t)
	want := withForeign(t, b.layout)
	got, err := manifests.Foreign(b.layout)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.NoError(t, manifests.CheckForeign(b.layout))
	// A copy of a component's manifest cannot stay: the kubelet takes either.
	for _, name := range []string{"etcd.yaml.bak", "old.yaml", "kube-apiserver.yaml~"} {
		path := filepath.Join(b.layout.Manifests(), name)
		put(t, path, "metadata: {name: kube-apiserver, namespace: kube-system}\n")
		err := manifests.CheckForeign(b.layout)
		var refused *state.RefusedError
		require.True(t, errors.As(err, &refused), name)
		assert.Equal(t, state.ForeignManifests, refused.Reason)
		assert.Contains(t, err.Error(), path)
		require.NoError(t, os.Remove(path))
	}
}

// kubeadm reset empties the manifests folder. What is not kubeadm's is there
// again afterwards, whether the reset succeeded or not.
func TestResetKeepsForeignPods(t *testing.T) {
	for _, failure := range []error{nil, errors.New("no")} {
		b := newFakeBoard(t)
		want := withForeign(t, b.layout)
		require.NoError(t, os.Chmod(filepath.Join(b.layout.Manifests(), "haproxy.json"), 0o640))
		for _, c := range plan.Components() {
			require.NoError(t, b.MakeManifest(c))
		}
		_, left, err := Reset(b.layout, func() error {
			require.NoError(t, os.RemoveAll(b.layout.Manifests()))
			return failure
		})
		assert.ErrorIs(t, err, failure)
		got, err := manifests.Foreign(b.layout)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Len(t, left, 3)
		text, err := os.ReadFile(filepath.Join(b.layout.Manifests(), "kube-vip.yaml"))
		require.NoError(t, err)
		assert.Equal(t, kubeVIP, string(text))
		info, err := os.Stat(filepath.Join(b.layout.Manifests(), "haproxy.json"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o640), info.Mode())
		target, err := os.Readlink(filepath.Join(b.layout.Manifests(), "keepalived.yaml"))
		require.NoError(t, err)
		assert.Equal(t, "../keepalived", target)
		assert.NoDirExists(t, b.layout.StaticPods())
		if failure == nil {
			assert.NoDirExists(t, b.layout.State())
		}
	}
}

// A power cut while kubeadm reset has emptied the folder: the next one, or the
// next init, brings them back.
func TestResetCutOff(t *testing.T) {
	b := newFakeBoard(t)
	want := withForeign(t, b.layout)
	require.NoError(t, manifests.KeepForeign(b.layout))
	require.NoError(t, os.RemoveAll(b.layout.Manifests()))
	_, left, err := Reset(b.layout, func() error { return nil })
	require.NoError(t, err)
	assert.Len(t, left, 3)
	got, err := manifests.Foreign(b.layout)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// A run, one that breaks off, and its continuation leave foreign static pods
// byte for byte; so does a later start of the board that holds components back.
func TestForeignPodsStay(t *testing.T) {
	b := newFakeBoard(t)
	want := withForeign(t, b.layout)
	same := func(what string) {
		t.Helper()
		got, err := manifests.Foreign(b.layout)
		require.NoError(t, err)
		require.Equal(t, want, got, what)
		text, err := os.ReadFile(filepath.Join(b.layout.Manifests(), "kube-vip.yaml"))
		require.NoError(t, err)
		require.Equal(t, kubeVIP, string(text), what)
	}
	b.fail = 2
	o := b.options()
	_, err := Run(context.Background(), o)
	require.Error(t, err)
	same("a run that broke off")
	o.Resume, err = Check(b.layout, o.Check)
	require.NoError(t, err)
	b.fail = 0
	_, err = Run(context.Background(), o)
	require.NoError(t, err)
	same("the continuation")
	s := stagedBoard(t)
	b = s
	withForeign(t, b.layout)
	_, err = manifests.ReleaseInOrder(context.Background(), releaseOptions(s))
	require.NoError(t, err)
	same("a later start")
}
