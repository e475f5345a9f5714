package kubeadm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnknownFields(t *testing.T) {
	c, err := ReadConfig(strings.NewReader(`apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
controlPlaneEndPoint: 192.168.1.40
networking:
  podSubnets: 10.244.0.0/16
apiServer: &a
  extraArgs: [{name: profiling, value: "false", override: true}]
  certSans: [board]
controllerManager:
  <<: *a
nodeRegistration: {}
somethingElseAltogether: 1
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
timeouts: {controlPlaneComponentHealthCheck: 17m}
bootstrapTokens: [{token: abcdef.0123456789abcdef, ttl: 1h, useages: [signing]}]
`), "k.yaml")
	require.NoError(t, err)
	assert.Equal(t, []UnknownField{
		{Line: 3, Path: "controlPlaneEndPoint", Nearest: "controlPlaneEndpoint", Lasting: true},
		{Line: 5, Path: "networking.podSubnets", Nearest: "networking.podSubnet", Lasting: true},
		{Line: 7, Path: "apiServer.extraArgs.override"},
		{Line: 8, Path: "apiServer.certSans", Nearest: "apiServer.certSANs"},
		{Line: 7, Path: "controllerManager.extraArgs.override"},
		{Line: 8, Path: "controllerManager.certSans"},
		{Line: 11, Path: "nodeRegistration", Elsewhere: kindInit},
		{Line: 12, Path: "somethingElseAltogether"},
		{Line: 17, Path: "bootstrapTokens.useages", Nearest: "bootstrapTokens.usages"},
	}, c.UnknownFields())
	assert.True(t, c.Means("controlPlaneEndpoint"))
	assert.False(t, c.Means("clusterName"))
	assert.Nil(t, (*Config)(nil).UnknownFields())
	// The types of older versions are not carried.
	old, err := ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nx: 1\n"),
		"k.yaml")
	require.NoError(t, err)
	assert.Empty(t, old.UnknownFields())
}
