package kubeadm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	goodToken = "abcdef.0123456789abcdef"
	goodHash  = "sha256:1b7fe5baf9e12d51a950651a120c997ef1545de5e0da5bc09560bf24d9655b61"
)

// A join's arguments that cannot work are named before anything is asked or changed.
func TestBadJoinArguments(t *testing.T) {
	const where = "10.0.0.1:6443 "
	const hash = " --discovery-token-ca-cert-hash " + goodHash
	for _, c := range []struct{ words, want string }{
		{"", "the API server's address is missing"},
		{"--token " + goodToken + hash, "the API server's address is missing"},
		{"10.0.0.1:6443 10.0.0.2:6443 --token " + goodToken + hash, "more than one address"},
		{"10.0.0.1 --token " + goodToken + hash, `"10.0.0.1" is not of the form HOST:PORT`},
		{"https://10.0.0.1:6443 --token " + goodToken + hash, "is a URL, not an address"},
		{":6443 --token " + goodToken + hash, "is not of the form HOST:PORT"},
		{"10.0.0.1: --token " + goodToken + hash, "is no port"},
		{"10.0.0.1:http --token " + goodToken + hash, "http is no port"},
		{"10.0.0.1:99999 --token " + goodToken + hash, "99999 is no port"},
		{"master_1:6443 --token " + goodToken + hash, "is no address and no DNS name"},
		{"[::1:6443 --token " + goodToken + hash, "is not of the form HOST:PORT"},
		{where + hash, "flag --token: it is missing"},
		{where + "--token abcdef" + hash, "flag --token: it has not the form of a bootstrap token"},
		{where + "--token abcdef.0123456789abcde" + hash, "flag --token: it has not the form"},
		{where + "--token abcdef.0123456789abcdefg" + hash, "flag --token: it has not the form"},
		{where + "--token ABCDEF.0123456789abcdef" + hash, "a bootstrap token has no capital letters"},
		{where + "--token abcdef:0123456789abcdef" + hash, "flag --token: it has not the form"},
		{where + "--discovery-token x" + hash, "flag --token: it has not the form"},
		{where + "--token " + goodToken + " --tls-bootstrap-token y" + hash, "flag --tls-bootstrap-token: it has not the form"},
		{where + "--token " + goodToken, "flag --discovery-token-ca-cert-hash: it is missing"},
		{where + "--token " + goodToken + " --discovery-token-ca-cert-hash 1b7f", "is not sha256: and 64 digits"},
		{where + "--token " + goodToken + " --discovery-token-ca-cert-hash md5:1b7f", "is not sha256: and 64 digits"},
		{where + "--token " + goodToken + " --discovery-token-ca-cert-hash sha256:1b7f", "has 4 digits after sha256:, not 64"},
		{where + "--token " + goodToken + " --discovery-token-ca-cert-hash sha256:xyz", "letters that are none of 0 to 9"},
		{where + "--token " + goodToken + hash + "0", "letters that are none"},
		{where + "--token " + goodToken + hash + "," + "sha256:00", "has 2 digits after sha256:"},
		{where + "--token " + goodToken + " --discovery-file /f", "exclude each other"},
		{"--discovery-file /f --tls-bootstrap-token x", "flag --tls-bootstrap-token: it has not the form"},
	} {
		args, err := Join.Parse(strings.Fields(c.words))
		require.NoError(t, err, c.words)
		_, err = DiscoveryOf(nil, args, "")
		var bad *ArgumentError
		require.ErrorAs(t, err, &bad, c.words)
		assert.Contains(t, err.Error(), c.want, c.words)
		assert.NotEmpty(t, bad.Hint())
		assert.NotContains(t, err.Error(), "0123456789abcde", "no secret")
	}
}

// The same in a file, with the line.
func TestBadJoinConfigs(t *testing.T) {
	const head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
	const token = head + "discovery:\n  bootstrapToken:\n    apiServerEndpoint: 10.0.0.1:6443\n    token: "
	for _, c := range []struct {
		text, want string
		line       int
	}{
		{head, "JoinConfiguration.discovery.bootstrapToken.apiServerEndpoint: the API server's address is missing", 1},
		{token + "abcdef\n    caCertHashes: [" + goodHash + "]\n", "JoinConfiguration.discovery.bootstrapToken.token: it has not the form", 6},
		{token + goodToken + "\n", "JoinConfiguration.discovery.bootstrapToken.caCertHashes: it is missing", 5},
		{token + goodToken + "\n    caCertHashes: [sha256:00]\n", "has 2 digits after sha256:", 7},
		{token + goodToken + "\n    caCertHashes: [" + goodHash + "]\n  file: {kubeConfigPath: /f}\n", "exclude each other", 8},
		{head + "discovery:\n  bootstrapToken:\n    apiServerEndpoint: 10.0.0.1\n", "is not of the form HOST:PORT", 5},
		{token + goodToken + "\n    caCertHashes: [" + goodHash + "]\n  tlsBootstrapToken: short\n",
			"JoinConfiguration.discovery.tlsBootstrapToken: it has not the form", 8},
	} {
		config, err := ReadConfig(strings.NewReader(c.text), "j.yaml")
		require.NoError(t, err)
		_, err = DiscoveryOf(config.For(Join), Args{}, "j.yaml")
		var bad *ConfigError
		require.ErrorAs(t, err, &bad, c.text)
		assert.Contains(t, err.Error(), c.want)
		assert.Equal(t, c.line, bad.Line, c.text)
	}
}

// A join's flags become a JoinConfiguration that says the same, so that no process has the
// token in its arguments.
func TestTranslateJoin(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	args, err := Join.Parse(strings.Fields("10.0.0.1:6443 --token " + goodToken + " --discovery-token-ca-cert-hash " +
		goodHash + " --cri-socket unix:///s --node-name bpi --ignore-preflight-errors all -v5"))
	require.NoError(t, err)
	c := new(Config).For(Join)
	taken, err := c.Translate(args, b, "v1beta4")
	require.NoError(t, err)
	assert.Equal(t, []string{"token", "discovery-token-ca-cert-hash", "cri-socket"}, taken)
	text, err := c.Bytes()
	require.NoError(t, err)
	assert.Equal(t, `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    caCertHashes:
      - `+goodHash+`
    apiServerEndpoint: 10.0.0.1:6443
    token: `+goodToken+`
  tlsBootstrapToken: `+goodToken+`
nodeRegistration:
  criSocket: unix:///s
`, string(text))
	_, err = ReadConfig(strings.NewReader(string(text)), "copy")
	require.NoError(t, err)
	found, err := DiscoveryOf(nil, args, "")
	require.NoError(t, err)
	again, err := DiscoveryOf(c, args, "f")
	require.NoError(t, err)
	assert.Equal(t, found, again)
}

// Of another control plane the certificate key, too, is in no process's arguments.
func TestTranslateControlPlane(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	key := strings.Repeat("0f", 32)
	flags := " --certificate-key " + key + " --apiserver-advertise-address 10.0.0.2 --apiserver-bind-port 7443"
	for words, want := range map[string]string{
		"10.0.0.1:6443 --control-plane" + flags: `controlPlane:
  certificateKey: ` + key + `
  localAPIEndpoint:
    advertiseAddress: 10.0.0.2
    bindPort: 7443
`,
		"10.0.0.1:6443 --control-plane":       "controlPlane: {}\n",
		"10.0.0.1:6443" + flags:               "", // kubeadm warns, and takes no notice
		"10.0.0.1:6443 --control-plane=false": "",
	} {
		args, err := Join.Parse(strings.Fields(words))
		require.NoError(t, err)
		c := new(Config).For(Join)
		_, err = c.Translate(args, b, "v1beta4")
		require.NoError(t, err)
		text, err := c.Bytes()
		require.NoError(t, err)
		_, part, found := strings.Cut(string(text), "controlPlane:")
		assert.Equal(t, want != "", found, words)
		if found {
			assert.Equal(t, want, "controlPlane:"+part, words)
		}
		assert.Equal(t, found, JoinsControlPlane(c, Args{}), words)
	}
}

func TestBadCertificateKeys(t *testing.T) {
	good := strings.Repeat("0f", 32)
	for key, want := range map[string]string{
		good: "", "": "it has 0 digits, not 64", good[:63]: "it has 63 digits, not 64", good + "00": "it has 66 digits",
		strings.Repeat("xy", 32): "it has letters that are none of 0 to 9 and a to f",
	} {
		args, err := Join.Parse([]string{"10.0.0.1:6443", "--control-plane", "--certificate-key", key})
		require.NoError(t, err)
		found, err := CertificateKey(nil, args, "")
		config, e := ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"+
			"controlPlane:\n  certificateKey: \""+key+"\"\n"), "j.yaml")
		require.NoError(t, e)
		again, inFile := CertificateKey(config.For(Join), Args{}, "j.yaml")
		if want == "" {
			require.NoError(t, err)
			require.NoError(t, inFile)
			assert.Equal(t, []string{key, key}, []string{found, again})
			continue
		}
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "0f0f", "no secret")
		if key != "" {
			require.ErrorContains(t, inFile, "j.yaml:4: JoinConfiguration.controlPlane.certificateKey: "+want)
		}
	}
}

func FuzzDiscoveryOf(f *testing.F) {
	f.Add("10.0.0.1:6443", goodToken, goodHash)
	f.Add("[::1]:1", "a.b", "sha256:")
	f.Fuzz(func(t *testing.T, endpoint, token, hash string) {
		args, err := Join.Parse([]string{"--token=" + token, "--discovery-token-ca-cert-hash=" + hash, "--", endpoint})
		if err != nil {
			return
		}
		if d, err := DiscoveryOf(nil, args, ""); err == nil && !tokenWhole.MatchString(d.Token) {
			t.Fatalf("taken: %+v", d)
		}
	})
}
