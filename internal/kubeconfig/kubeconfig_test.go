package kubeconfig

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const two = `apiVersion: v1
kind: Config
clusters:
- {name: old, cluster: {server: "https://10.0.0.9:6443", certificate-authority-data: b2xk}}
- {name: kubernetes, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: Y2E=}}
contexts:
- {name: a, context: {cluster: old, user: b}}
- {name: b, context: {cluster: kubernetes, user: admin}}
current-context: b
users:
- {name: b, user: {token: secret}}
- {name: admin, user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}
`

// What counts is what the current context names, and not what is first in the file.
func TestParse(t *testing.T) {
	f, err := Parse([]byte(two))
	require.NoError(t, err)
	cluster, err := f.Cluster()
	require.NoError(t, err)
	assert.Equal(t, "https://10.0.0.1:6443", cluster.Text("server"))
	ca, err := cluster.CAs()
	require.NoError(t, err)
	assert.Equal(t, "ca", string(ca))
	user, err := f.User()
	require.NoError(t, err)
	cert, key, err := user.KeyPair()
	require.NoError(t, err)
	assert.Equal(t, "cert", string(cert))
	assert.Equal(t, "key", string(key))
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    `it has no current-context`,
		"current-context: a\ncontexts: {}":    `it has no context "a", which current-context names`,
		"current-context: a\ncontexts: [a]":   `it has no context "a", which current-context names`,
		"contexts: [{name: '', context: {}}]": `it has no user "", which the context "" names`,
		"contexts: [{name: '', context: {user: u}}]\nusers: [{name: u, user: 1}]":                              `it has no user "u", which the context "" names`,
		"contexts: [{name: '', context: {user: u}}]\nusers: [{name: u, user: {client-certificate-data: 1}}]":   "client-certificate-data is not text in base64",
		"contexts: [{name: '', context: {user: u}}]\nusers: [{name: u, user: {client-key-data: '*'}}]":         "client-key-data: illegal base64 data at input byte 0",
		"contexts: [{name: '', context: {user: u}}]\nusers: [{name: u, user: {client-certificate: /x/y.pem}}]": "",
	} {
		f, err := Parse([]byte(text))
		require.NoError(t, err, text)
		user, err := f.User()
		if err == nil {
			_, _, err = user.KeyPair()
		}
		if want == "" {
			assert.NoError(t, err, text)
			continue
		}
		assert.EqualError(t, err, want, text)
	}
	for _, text := range []string{"x", "[]", "a: b: c", "a: &a [*a]"} {
		_, err := Parse([]byte(text))
		assert.Error(t, err, text)
	}
}

// Whatever is read is the same after it was written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(two))
	f.Add([]byte("current-context: a\ncontexts: [{name: a, context: {user: [x]}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		user, errUser := file.User()
		_, errCluster := file.Cluster()
		cert, key, errPair := user.KeyPair()
		text, err = yaml.Marshal(file)
		if err != nil {
			return // a number that JSON has no form for
		}
		again, err := Parse(text)
		require.NoError(t, err)
		userAgain, err := again.User()
		require.Equal(t, errUser, err)
		_, err = again.Cluster()
		require.Equal(t, errCluster, err)
		certAgain, keyAgain, err := userAgain.KeyPair()
		require.Equal(t, errPair, err)
		require.Equal(t, cert, certAgain)
		require.Equal(t, key, keyAgain)
	})
}
