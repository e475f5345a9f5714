package doctor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// A board for which nobody offers images has to have them before its old version stops.
func TestUpgradeImages(t *testing.T) {
	b, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	f := UpgradeFacts{Command: kubeadm.UpgradeApply, From: kubeadm.Version{Major: 1, Minor: 36, Patch: 3}, To: b.Version,
		Kubeadm: b, Data: "/var/lib/etcd", DataFree: 1 << 30, Images: Facts{Kubeadm: b, Known: true, ImagesKnown: true,
			Board: hwdetect.Board{CPU: hwdetect.CPU{Arch: hwdetect.ARMv7}}, Ask: Ask{KubernetesVersion: "v1.37.2"}}}
	assert.Equal(t, Fail, Upgrade(f).Verdict)
	f.Images.Images = []string{"registry.k8s.io/kube-apiserver:v1.36.3"}
	fails := Upgrade(f).Of(Fail)
	require.Len(t, fails, 1)
	assert.Equal(t, "images", fails[0].ID)
	f.Images.Images = []string{"registry.k8s.io/kube-apiserver:v1.37.2"}
	assert.Equal(t, OK, Upgrade(f).Verdict)
	f.Worker, f.Images.Images = true, nil
	assert.Equal(t, OK, Upgrade(f).Verdict, "a worker needs none of them")
}
