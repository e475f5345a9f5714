package kubeadm

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What kubeadm is told for a renewal is a configuration that this kubeadm reads, and
// says what its defaults would get wrong.
func TestRenewal(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		minor, patch int
		algorithm    string
		period       time.Duration
		renews       bool
		wants        []string
		command      string
	}{
		{13, 1, "RSA-2048", year, true, []string{"v1beta1"}, "alpha certs renew apiserver --config=/c --cert-dir=/etc/kubernetes/pki"},
		{13, 1, "ECDSA-P256", year, false, nil, ""},
		{18, 20, "ECDSA-P256", year, true, []string{"v1beta2", "PublicKeysECDSA: true"}, "alpha certs renew apiserver --config=/c"},
		{28, 15, "ECDSA-P256", year, true, []string{"v1beta3", "PublicKeysECDSA: true"}, "certs renew apiserver --config=/c"},
		{28, 15, "RSA-2048", 2 * year, false, nil, ""},
		{28, 15, "RSA-4096", year, false, nil, ""},
		{37, 2, "RSA-2048", year, true, []string{"v1beta4"}, "certs renew apiserver --config=/c"},
		{37, 2, "ECDSA-P256", 10 * year, true, []string{"encryptionAlgorithm: ECDSA-P256", "certificateValidityPeriod: 87600h0m0s"}, "certs renew apiserver --config=/c"},
	} {
		b, err := BehaviourOf(Version{Major: 1, Minor: c.minor, Patch: c.patch})
		require.NoError(t, err)
		assert.Equal(t, c.renews, b.RenewsAs(c.algorithm, c.period), "%d %s", c.minor, c.algorithm)
		if !c.renews {
			continue
		}
		r := Renewal{Names: []string{"apiserver"}, Algorithm: c.algorithm, Period: c.period,
			NodeName: "shed", AdvertiseAddress: "10.0.0.1"}
		text, err := b.RenewalConfig(r)
		require.NoError(t, err)
		conf, err := ReadConfig(bytes.NewReader(text), "c.yaml")
		require.NoError(t, err, string(text))
		require.NoError(t, conf.Fits(b, "c.yaml"))
		for _, want := range append(c.wants, "kubernetesVersion: "+b.Version.String()) {
			assert.Contains(t, string(text), want)
		}
		assert.Equal(t, c.algorithm != "RSA-2048", strings.Contains(string(text), "ECDSA"))
		commands := b.RenewalCommands(r, "/c")
		require.Len(t, commands, 1)
		assert.Equal(t, c.command, strings.Join(commands[0], " "))
		r.All = true
		assert.Contains(t, strings.Join(b.RenewalCommands(r, "/c")[0], " "), "renew all ")
	}
}
