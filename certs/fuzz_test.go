package certs

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"
)

// A journal leads to no file but a certificate, a key or a kubeconfig.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"files":["/etc/kubernetes/admin.conf","/srv/pki/etcd/peer.key"],"kept":"/etc/kubernetes/kubeadm-arm/certs-x"}`))
	f.Add([]byte(`{"files":["/var/lib/kubelet/pki/kubelet-client-2026-01-01-00-00-00.pem"]}`))
	f.Add([]byte(`{"files":["/etc/kubernetes/../shadow"],"kept":"/etc/kubernetes/kubeadm-arm/.."}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parseJournal(text)
		if err != nil {
			return
		}
		if j.Kept != "" {
			require.Equal(t, state, path.Dir(j.Kept))
			require.Equal(t, path.Clean(j.Kept), j.Kept)
		}
		for _, name := range j.Files {
			require.Equal(t, path.Clean(name), name)
			require.Contains(t, []string{".crt", ".key", ".conf", ".pem"}, path.Ext(name))
		}
	})
}

// A new certificate and key stand in a kubeconfig as they were given, or it is refused.
func FuzzCredentials(f *testing.F) {
	f.Add(conf("u", []byte("old certificate"), []byte("old key")))
	f.Add([]byte("{users: [{name: u, user: {client-certificate-data: eA==, client-key-data: eA==}}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cert, key := []byte("new certificate"), []byte("new key, longer")
		after, err := withCredentials(text, cert, key)
		if err != nil {
			return
		}
		c, err := readCredentials(after)
		require.NoError(t, err)
		require.Equal(t, cert, c.cert)
		require.Equal(t, key, c.key)
	})
}

// Whatever stands in for a certificate is named, and no fault.
func FuzzLeaf(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"), []byte("key"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		if c, err := firstCertificate(cert); err == nil {
			_, err := parseSigner(c, key)
			require.True(t, err == nil || err.Error() != "")
			_ = Period(c, nil)
			_ = Algorithm(c.PublicKey)
		}
	})
}
