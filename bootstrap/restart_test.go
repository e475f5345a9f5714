package bootstrap

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A running control plane is restarted in order, behind a restarted kubelet; one that
// does not run is left alone.
func TestRestart(t *testing.T) {
	b := newFakeBoard(t).withSystemd()
	put(t, b.layout.KubeletConfig(), "")
	for _, c := range plan.Components() {
		require.NoError(t, b.MakeManifest(c))
	}
	restarted := 0
	o := manifests.RestartOptions{ReleaseOptions: releaseOptions(b), Program: packaged, Kubelet: func() error {
		restarted++
		assert.Len(t, b.Manifests(), 4, "the kubelet has to be there to end them")
		return nil
	}}
	now := time.Unix(0, 0)
	o.Now = func() time.Time { now = now.Add(30 * time.Second); return now }
	require.NoError(t, manifests.Restart(t.Context(), o))
	assert.Zero(t, restarted)
	assert.Empty(t, b.Seen, "nobody was asked")

	put(t, filepath.Join(b.layout.Proc(), "7", "comm"), "kubelet\n")
	put(t, filepath.Join(b.layout.Proc(), "8", "comm"), "etcd\n")
	require.NoError(t, manifests.Restart(t.Context(), o))
	assert.Equal(t, 1, restarted)
	assert.Equal(t, []string{"etcd", "etcd,kube-apiserver"}, b.Seen[:2], "each waits for those before it")
	assert.Len(t, b.Manifests(), 4)
	file := b.layout.Unit()
	assert.NoFileExists(t, file, "it was there for a power cut only")
}
