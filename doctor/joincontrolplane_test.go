package doctor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// What keeps a board from being another control plane is said before anything is changed.
func TestJoinControlPlane(t *testing.T) {
	component := func(name, flag, value string) cluster.ControlPlane {
		return cluster.ControlPlane{Certificates: cluster.CertificatesFine, Components: []cluster.Component{
			{Node: "first", Name: name, Flags: map[string]string{flag: value}}}}
	}
	const shared = "controlPlaneEndpoint: cp:6443\n"
	for _, c := range []struct {
		name     string
		config   string
		key      bool
		copied   string
		answer   cluster.ControlPlane
		id       string
		severity Severity
		seen     string
	}{
		{"well", shared, true, "", component("etcd", "name", "x"), "certificate-key", OK, "opens"},
		{"copied by hand", shared, false, "sha256:00", cluster.ControlPlane{}, "certificate-key", OK, "are here"},
		{"copied from another cluster", shared, false, "sha256:11", cluster.ControlPlane{}, "other-certificates", Fail,
			"another cluster's"},
		{"no endpoint", "", true, "", component("etcd", "name", "x"), "control-plane-endpoint", Fail, "no controlPlaneEndpoint"},
		{"no endpoint, made for one", "", true, "", component("kube-scheduler", "leader-elect", "false"),
			"control-plane-endpoint", Fail, "no controlPlaneEndpoint"},
		{"no key", shared, false, "", cluster.ControlPlane{}, "certificate-key", Fail, "no certificate key"},
		{"expired", shared, true, "", cluster.ControlPlane{Certificates: cluster.CertificatesGone}, "certificate-key", Fail,
			"no uploaded certificates"},
		{"another key", shared, true, "", cluster.ControlPlane{Certificates: cluster.CertificatesLocked}, "certificate-key",
			Fail, "does not open"},
		{"no election", shared, true, "", component("kube-controller-manager", "leader-elect", "false"), "made-for-one", Fail,
			"kube-controller-manager on first has --leader-elect=false"},
		{"no watch cache", shared, true, "", component("kube-apiserver", "watch-cache", "false"), "made-for-one", Fail,
			"--watch-cache=false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := kubeadm.ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\n"+
				"kind: ClusterConfiguration\n"+c.config), "c")
			require.NoError(t, err)
			f := Facts{Join: &Join{Found: &cluster.Found{ControlPlane: c.answer, CAHashes: []string{"sha256:00"}},
				ControlPlane: &JoinControlPlane{Key: c.key, Copied: c.copied, Cluster: config}}}
			var all []Finding
			for _, check := range []func(Facts) []Finding{stableEndpoint, madeForOne, uploadedCertificates} {
				all = append(all, check(f)...)
			}
			met := false
			for _, found := range all {
				if found.ID != c.id {
					assert.NotEqual(t, Fail, found.Severity, "one cause, one finding: %s", found.Seen)
					continue
				}
				met = true
				assert.Equal(t, c.severity, found.Severity)
				assert.Contains(t, found.Seen, c.seen)
				if found.Severity == Fail {
					assert.NotEmpty(t, found.Means)
					assert.NotEmpty(t, found.Fix)
				}
			}
			assert.True(t, met)
		})
	}
	f := Facts{Join: &Join{ControlPlane: &JoinControlPlane{}}}
	assert.Contains(t, f.wantedPorts(), 2380)
	f.Join.ControlPlane = nil
	assert.NotContains(t, f.wantedPorts(), 2380, "a worker has no etcd")
}
