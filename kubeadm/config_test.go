package kubeadm

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ownersConfig = `# my cluster
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
timeouts:
  kubernetesAPICall: 30m # slow
skipPhases: [addon/kube-proxy]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer:
  extraArgs:
  - name: v
    value: "4"
networking:
  podSubnet: 10.244.0.0/16
futureField: kept
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: false
`

func read(t *testing.T, text string) *Config {
	t.Helper()
	c, err := ReadConfig(strings.NewReader(text), "k.yaml")
	require.NoError(t, err)
	return c
}

func write(t *testing.T, c *Config) string {
	t.Helper()
	text, err := c.Bytes()
	require.NoError(t, err)
	return string(text)
}

func TestConfigKeepsWhatIsTheOwners(t *testing.T) {
	c := read(t, ownersConfig)
	assert.Equal(t, "v1beta4", c.API())
	assert.Equal(t, []string{"addon/kube-proxy"}, c.OwnList("skipPhases"))
	assert.Equal(t, "10.244.0.0/16", c.Cluster("networking", "podSubnet"))
	assert.True(t, c.HasExtraArg("v", "apiServer"))
	assert.False(t, c.HasExtraArg("v", "scheduler"))

	assert.Equal(t, "30m", c.RaiseOwn("v1beta4", time.Minute, "timeouts", "kubernetesAPICall"), "a longer value stays")
	assert.Empty(t, c.RaiseOwn("v1beta4", 8*time.Minute, "timeouts", "kubeletHealthCheck"))
	c.SetCluster("v1beta4", "ECDSA-P256", "encryptionAlgorithm")
	out := write(t, c)
	for _, kept := range []string{"# my cluster", "kubernetesAPICall: 30m # slow", "futureField: kept",
		"kind: KubeletConfiguration", "failSwapOn: false"} {
		assert.Contains(t, out, kept)
	}
	again := read(t, out)
	assert.Equal(t, "8m0s", again.Own("timeouts", "kubeletHealthCheck"))
	assert.Equal(t, "ECDSA-P256", again.Cluster("encryptionAlgorithm"))
}

func TestConfigErrorsNameFileLineAndField(t *testing.T) {
	for name, x := range map[string]struct{ text, want string }{
		"empty":    {"", "k.yaml: no document"},
		"not YAML": {"a: 1\nb: c: d\n", "k.yaml:2"},
		"a list":   {"- a\n", "k.yaml:1: want a document with apiVersion and kind"},
		"no kind":  {"apiVersion: kubeadm.k8s.io/v1beta4\n", "apiVersion, kind: missing"},
		"wrong type": {"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint:\n  bindPort: " +
			"many\n", "k.yaml:4: InitConfiguration.localAPIEndpoint.bindPort: is a string where kubeadm wants int32"},
		"wrong shape": {"apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nnetworking: 10.0.0.0/8\n",
			"k.yaml:3: ClusterConfiguration.networking"},
		"wrong duration": {"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\ntimeouts:\n  discovery: soon\n",
			"k.yaml"},
	} {
		_, err := ReadConfig(strings.NewReader(x.text), "k.yaml")
		var bad *ConfigError
		require.ErrorAs(t, err, &bad, name)
		assert.Contains(t, err.Error(), x.want, name)
		assert.NotContains(t, err.Error(), "\n", name)
		assert.NotEmpty(t, bad.Hint(), name)
	}
}

func TestTranslateFlags(t *testing.T) {
	b, err := BehaviourOf(Version{1, 37, 2, ""})
	require.NoError(t, err)
	a, err := Init.Parse([]string{"--pod-network-cidr=10.244.0.0/16", "--apiserver-advertise-address", "10.0.0.2",
		"--apiserver-bind-port=7443",
		"--apiserver-cert-extra-sans=a.example,b.example", "--apiserver-cert-extra-sans", "c.example", "--feature-gates=X=true,Y=false",
		"--token-ttl=1h", "--upload-certs", "--node-name=n1", "--skip-token-print"})
	require.NoError(t, err)
	c := &Config{}
	taken, err := c.Translate(a, b, "v1beta4")
	require.NoError(t, err)
	assert.NotContains(t, taken, "upload-certs", "it may stand beside --config")
	out := read(t, write(t, c))
	assert.Equal(t, "10.0.0.2", out.Own("localAPIEndpoint", "advertiseAddress"))
	assert.Equal(t, "7443", out.Own("localAPIEndpoint", "bindPort"))
	assert.Equal(t, "10.244.0.0/16", out.Cluster("networking", "podSubnet"))
	assert.Equal(t, "true", out.Cluster("featureGates", "X"))
	text := write(t, c)
	for _, san := range []string{"a.example", "b.example", "c.example"} {
		assert.Equal(t, 1, strings.Count(text, san))
	}
	assert.True(t, out.HasTokens())
	assert.Contains(t, text, "ttl: 1h")
}

func TestTranslateRefusesWhatHasNoField(t *testing.T) {
	b, err := BehaviourOf(Version{1, 37, 2, ""})
	require.NoError(t, err)
	a, err := Init.Parse([]string{"--brand-new-flag=1"})
	require.NoError(t, err)
	_, err = (&Config{}).Translate(a, b, "v1beta4")
	assert.ErrorContains(t, err, "--brand-new-flag has no place")
	a, err = Init.Parse([]string{"--apiserver-bind-port=high"})
	require.NoError(t, err)
	_, err = (&Config{}).Translate(a, b, "v1beta4")
	assert.ErrorContains(t, err, "not a number")
}

func TestTokenForm(t *testing.T) {
	for range 20 {
		token, err := NewToken()
		require.NoError(t, err)
		assert.Regexp(t, `^[a-z0-9]{6}\.[a-z0-9]{16}$`, token)
	}
}

func TestNilConfigIsEmpty(t *testing.T) {
	var c *Config
	assert.Empty(t, c.API())
	assert.Empty(t, c.OwnList("skipPhases"))
	assert.False(t, c.HasExternalEtcd())
	assert.False(t, c.HasTokens())
	assert.False(t, c.HasExtraArg("v", "apiServer"))
	empty, err := c.Clone()
	require.NoError(t, err)
	assert.Empty(t, write(t, empty))
}

func FuzzReadConfig(f *testing.F) {
	f.Add(ownersConfig)
	f.Add("apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\na: &x [1]\nb: *x\n")
	f.Add("? a\n: b\n")
	f.Add(`apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: {podSubnet: "10.0.0.0/33,::/0"}
etcd: {local: null, external: {}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOnn: 1
`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadConfig(strings.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		c.RaiseOwn("v1beta4", time.Hour, "timeouts", "discovery")
		c.SetCluster("v1beta4", "ECDSA-P256", "encryptionAlgorithm")
		_, _ = c.Bytes()
		c.HasExtraArg("v", "apiServer")
		c.UnknownFields()
		if b, err := BehaviourOf(Version{Major: 1, Minor: NewestMinor}); err == nil {
			_ = c.Fits(b, "fuzz")
		}
	})
}

// The flag goes into whatever form is there, and else into the version's.
func TestSetKubeletExtraArg(t *testing.T) {
	for _, c := range []struct{ name, api, config, want string }{
		{"no config, from v1beta4", "v1beta4", "",
			"kubeletExtraArgs:\n    - name: housekeeping-interval\n      value: 30s\n"},
		{"no config, up to v1beta3", "v1beta3", "", "kubeletExtraArgs:\n    housekeeping-interval: 30s\n"},
		{"beside the owner's list", "v1beta4",
			"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n  - name: " +
				"v\n    value: \"4\"\n",
			"kubeletExtraArgs:\n    - name: v\n      value: \"4\"\n    - name: housekeeping-interval\n      value: 30s\n"},
		{"beside the owner's map", "v1beta3",
			"apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n    v: \"4\"\n",
			"kubeletExtraArgs:\n    v: \"4\"\n    housekeeping-interval: 30s\n"},
		{"an empty list", "v1beta4",
			"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n",
			"kubeletExtraArgs:\n    - name: housekeeping-interval\n      value: 30s\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := &Config{}
			if c.config != "" {
				var err error
				config, err = ReadConfig(strings.NewReader(c.config), "test.yaml")
				require.NoError(t, err)
			}
			config.SetKubeletExtraArg(c.api, "housekeeping-interval", "30s")
			got, err := config.Bytes()
			require.NoError(t, err)
			assert.Contains(t, string(got), c.want)
			again, err := ReadConfig(strings.NewReader(string(got)), "again.yaml")
			require.NoError(t, err)
			assert.Equal(t, "30s", again.KubeletExtraArg("housekeeping-interval"))
		})
	}
}
