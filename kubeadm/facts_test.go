package kubeadm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func factNames() []FactName {
	seen := map[FactName]bool{}
	var all []FactName
	for _, f := range Facts() {
		if !seen[f.Name] {
			seen[f.Name] = true
			all = append(all, f.Name)
		}
	}
	return all
}

func TestEveryFactHoldsExactlyOnceInEveryRelease(t *testing.T) {
	for _, name := range factNames() {
		for minor := OldestMinor; minor <= NewestMinor+3; minor++ {
			n := 0
			for _, f := range Facts() {
				if f.Name == name && f.holds(minor) {
					n++
				}
			}
			require.Equal(t, 1, n, "%s at v1.%d", name, minor)
		}
	}
}

func TestEveryFactNamesItsSource(t *testing.T) {
	for _, f := range Facts() {
		assert.NotEmpty(t, f.Source, "%s from v1.%d", f.Name, f.From)
	}
}

func TestTooOldIsRefused(t *testing.T) {
	_, err := BehaviourOf(Version{Major: 1, Minor: 12, Patch: 9})
	var old *TooOldError
	require.ErrorAs(t, err, &old)
	assert.Contains(t, old.Error(), "v1.12.9")
}

func TestNewerIsTreatedAsTheNewest(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 44})
	require.NoError(t, err)
	newest, err := BehaviourOf(Version{Major: 1, Minor: NewestMinor, Patch: 2})
	require.NoError(t, err)
	assert.True(t, b.Nearest)
	assert.Equal(t, newest.Phases(Init), b.Phases(Init))
	assert.False(t, newest.Nearest)
}

func TestAllBut(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"wait-control-plane", "upload-config", "upload-certs", "mark-control-plane", "bootstrap-token", "kubelet-finalize",
		"addon", "show-join-command",
	}, b.AllBut(Init, "preflight", "certs", "kubeconfig", "etcd", "control-plane", "kubelet-start"))
}

func TestAllowedBesideConfig(t *testing.T) {
	b, err := BehaviourOf(Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(t, err)
	assert.True(t, b.AllowedBesideConfig("skip-token-print"))
	assert.True(t, b.AllowedBesideConfig("upload-certs"))
	assert.False(t, b.AllowedBesideConfig("pod-network-cidr"))
	assert.False(t, b.AllowedBesideConfig("patches"))
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"v1.37.2":           {1, 37, 2, ""},
		"1.13.1":            {1, 13, 1, ""},
		" v1.38.0-alpha.1 ": {1, 38, 0, "-alpha.1"},
		"v1.33.1+k3s1":      {1, 33, 1, "+k3s1"},
	} {
		got, err := ParseVersion(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "1.2", "v1.x.3", "stable-1", "v1.2.3.4", "v1.-2.3", "v1.+2.3"} {
		_, err := ParseVersion(text)
		assert.Error(t, err, text)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("v1.37.2")
	f.Add("v1.38.0-alpha.1+5d3f")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		again, err := ParseVersion(v.String())
		if v == (Version{}) {
			return
		}
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
