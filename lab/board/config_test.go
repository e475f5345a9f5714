package board

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigs(t *testing.T) {
	for _, c := range []struct {
		version  string
		cgroupV1 bool
		has      []string
		hasNot   []string
	}{
		{"v1.37.2", true, []string{"kubeadm.k8s.io/v1beta4", "failCgroupV1: false", "SystemVerification"}, nil},
		{"v1.37.2", false, []string{"kubeadm.k8s.io/v1beta4"}, []string{"failCgroupV1", "SystemVerification"}},
		{"v1.28.15", true, []string{"kubeadm.k8s.io/v1beta3"},
			[]string{"failCgroupV1", "v1beta4", "SystemVerification"}},
		{"v1.19.16", true, []string{"kubeadm.k8s.io/v1beta2"}, []string{"failCgroupV1"}},
		{"v1.13.1", true, []string{"kubeadm.k8s.io/v1beta1"}, []string{"failCgroupV1", "ignorePreflightErrors"}},
		{"v1.20.0", true, []string{"kubeadm.k8s.io/v1beta2"}, nil},
	} {
		b := &Board{Name: "l1", Version: c.version, NodeIP: "10.1.2.3"}
		config := b.Config("registry.k8s.io/pause:9")
		if c.cgroupV1 {
			config = config.acceptCgroupV1()
		}
		files, err := config.Files()
		require.NoError(t, err)
		text := files[KubeadmConfig]
		for _, has := range append(c.has, "localAPIEndpoint:\n  advertiseAddress: 10.1.2.3\n", "  name: l1\n",
			"kubernetesVersion: "+c.version+"\n",
			// A machine with a nearly full disk made nodes with a disk-pressure taint, on which CoreDNS was never run.
			"  nodefs.available: 0%\n", "  imagefs.available: 0%\n", "imageGCHighThresholdPercent: 100\n") {
			assert.Contains(t, text, has, c.version)
		}
		for _, not := range append(c.hasNot, "<", "\n\n") {
			assert.NotContains(t, text, not, c.version)
		}
		assert.Contains(t, files["/etc/containerd/config.toml"], `sandbox_image = "registry.k8s.io/pause:9"`)
		assert.True(t, json.Valid([]byte(files["/etc/cni/net.d/10-lab.conflist"])))
		assert.Equal(t, 3, strings.Count(text, "---"))
	}
}
