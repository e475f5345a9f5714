package kubeadm

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func upgradeArgs(t *testing.T, words ...string) Args {
	t.Helper()
	a, err := UpgradeApply.Parse(words)
	require.NoError(t, err)
	return a
}

func TestUpgradeArgs(t *testing.T) {
	newest, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	old, err := BehaviourOf(Version{Major: 1, Minor: 28, Patch: 15})
	require.NoError(t, err)
	a := upgradeArgs(t, "v1.37.2", "-y", "--patches=/mine", "--etcd-upgrade", "--ignore-preflight-errors=CreateJob", "-v5",
		"--skip-phases=no")
	u := Upgrade{Verb: UpgradeApply, Version: "v1.37.2", Patches: "/ours", EtcdDone: true, Skip: []string{"addon"}}
	assert.Equal(t, "upgrade apply v1.37.2 --yes --ignore-preflight-errors=CreateJob -v5 --config=/c "+
		"--skip-phases=addon,control-plane,upload-config,kubeconfig,kubelet-config,bootstrap-token,post-upgrade",
		strings.Join(newest.UpgradeArgs(a, u, "/c", []string{"preflight"}), " "))
	assert.Equal(t, "upgrade apply v1.37.2 --yes --ignore-preflight-errors=CreateJob -v5 --patches=/ours "+
		"--etcd-upgrade=false --skip-phases=addon", strings.Join(old.UpgradeArgs(a, u, "", []string{"preflight"}), " "),
		"flags, where there is no configuration for an upgrade")
}

// The timeouts of an upgrade stand in UpgradeConfiguration, where kubeadm reads them.
func TestUpgradeConfig(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	c, err := UpgradeConfigOf(nil, upgradeArgs(t, "--certificate-renewal=false", "--force"), b,
		Upgrade{Verb: UpgradeApply, Version: "v1.37.2", Patches: "/ours", EtcdDone: true})
	require.NoError(t, err)
	c.RaiseOwn(c.API(), time.Hour, "timeouts", "upgradeManifests")
	text, err := c.Bytes()
	require.NoError(t, err)
	assert.YAMLEq(t, `apiVersion: kubeadm.k8s.io/v1beta4
kind: UpgradeConfiguration
apply: {certificateRenewal: false, forceUpgrade: true, etcdUpgrade: false, patches: {directory: /ours}}
timeouts: {upgradeManifests: 1h0m0s}
`, string(text))
	_, err = UpgradeConfigOf(nil, Args{Flags: []Flag{{Name: "force", Value: "perhaps"}}}, b,
		Upgrade{Verb: UpgradeApply})
	assert.ErrorContains(t, err, "flag --force")
}

// upgrade node has a section of its own, and takes no version.
func TestUpgradeNode(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	owner, err := ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\n"+
		"node: {skipPhases: [addon], ignorePreflightErrors: [ImagePull]}\napply: {skipPhases: [preflight]}\n"), "c")
	require.NoError(t, err)
	owner.For(UpgradeNode)
	assert.Equal(t, []string{"ImagePull"}, owner.Ignores())
	u := Upgrade{Verb: UpgradeNode, Patches: "/ours", EtcdDone: true, Skip: owner.Skips()}
	c, err := UpgradeConfigOf(owner, upgradeArgs(t, "--certificate-renewal=false"), b, u)
	require.NoError(t, err)
	assert.Equal(t, "false", c.Own("node", "certificateRenewal"))
	assert.Equal(t, "false", c.Own("node", "etcdUpgrade"))
	assert.Equal(t, "/ours", c.Own("node", "patches", "directory"))
	assert.Equal(t, "upgrade node --config=/c --skip-phases=addon,preflight,control-plane,kubeconfig",
		strings.Join(b.UpgradeArgs(upgradeArgs(t, "--certificate-renewal=false"), u, "/c",
			[]string{"kubelet-config", "post-upgrade"}), " "))
}

func TestManifestsConfig(t *testing.T) {
	cluster, err := ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+
		"kubernetesVersion: v1.36.3\nnetworking: {podSubnet: 10.244.0.0/16}\n"), "c")
	require.NoError(t, err)
	text, err := ManifestsConfig(cluster, Version{Major: 1, Minor: 37, Patch: 2},
		NodeOfUpgrade{Name: "pi", AdvertiseAddress: "10.0.0.2", BindPort: 7443}, 20*time.Minute, "/ours")
	require.NoError(t, err)
	c, err := ReadConfig(strings.NewReader(string(text)), "written")
	require.NoError(t, err)
	assert.Equal(t, "v1.37.2", c.Cluster("kubernetesVersion"))
	assert.Equal(t, "10.244.0.0/16", c.Cluster("networking", "podSubnet"))
	assert.Equal(t, "pi", c.Own("nodeRegistration", "name"))
	assert.Equal(t, "7443", c.Own("localAPIEndpoint", "bindPort"))
	assert.Equal(t, "/ours", c.Own("patches", "directory"))
	assert.Equal(t, [][]string{{"init", "phase", "control-plane", "all", "--config=/f"}, {"init", "phase", "etcd", "local",
		"--config=/f"}}, Behaviour{}.ManifestsCommands(cluster, "/f", "/ours", true))
	assert.Equal(t, "20m0s", c.Own("timeouts", "controlPlaneComponentHealthCheck"))
	_, err = ManifestsConfig(&Config{}, Version{Major: 1, Minor: 37}, NodeOfUpgrade{}, 0, "")
	assert.ErrorContains(t, err, "no ClusterConfiguration")
}
