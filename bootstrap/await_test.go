package bootstrap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// TestProbersOfRealManifests: every manifest that a real kubeadm wrote says where
// its component is to be asked. Up to v1.15 etcd's does not; it is asked with the
// certificate for health checks, wherever the owner keeps certificates (it was
// looked for in /etc/kubernetes/pki only, and the bootstrap ended there).
func TestProbersOfRealManifests(t *testing.T) {
	folders, err := filepath.Glob("../testdata/manifests/v*/*")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, dir := range folders {
		t.Run(strings.TrimPrefix(dir, "../testdata/manifests/"), func(t *testing.T) {
			text, err := os.Open(filepath.Join(dir, "kubeadm.yaml"))
			require.NoError(t, err)
			defer text.Close()
			owner, err := kubeadm.ReadConfig(text, "kubeadm.yaml")
			require.NoError(t, err)
			b := pkiBoard(t)
			pki := b.layout.at("/etc/kubernetes/pki")
			if to := b.layout.Certificates(owner, kubeadm.InitArgs{}); to != pki {
				require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
				require.NoError(t, os.Rename(pki, to))
			}
			o := b.options()
			o.Config = owner
			r := &run{Options: o, layout: b.layout}
			for _, c := range plan.Components() {
				manifest, err := os.ReadFile(filepath.Join(dir, c+".yaml"))
				if os.IsNotExist(err) {
					continue // etcd elsewhere
				}
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(b.layout.Manifest(c), manifest, 0o600))
				p, err := r.proberFor(c, time.Minute)
				require.NoError(t, err, c)
				assert.Regexp(t, `^https?://[0-9.]+:[0-9]+/(healthz|livez|readyz|health)\b`, p.url, c)
			}
		})
	}
}

// A kubelet may keep its logs elsewhere: then only the process tells that a
// component has been started, and /proc is read now and then.
func TestAComponentWithoutALogIsFound(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, b.makeManifest(plan.Etcd))
	r := &run{Options: b.options(), layout: b.layout, restarts: map[string]int{}}
	require.NoError(t, os.Rename(b.layout.Proc()+"/100", b.layout.at("/later")))
	looks := 0
	err := r.await(t.Context(), plan.AwaitHealthy{Component: plan.Etcd, Quiet: time.Minute, Patience: time.Minute, Restarts: 3, Poll: time.Millisecond}, func(seen string) {
		if looks++; looks == 3 {
			assert.Contains(t, seen, "its container was not started")
			require.NoError(t, os.Rename(b.layout.at("/later"), b.layout.Proc()+"/100"))
		}
	})
	require.NoError(t, err)
	assert.LessOrEqual(t, looks, scanEvery+1)
}
