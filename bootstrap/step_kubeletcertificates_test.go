package bootstrap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// requireRotatable wants what the kubelet and kubelet-finalize leave, and
// returns the only file with a certificate.
func requireRotatable(t *testing.T, b *fakeBoard) string {
	t.Helper()
	_, rotated, ok := kubeconfigCA(b.layout.KubeletConf())
	require.True(t, ok && rotated)
	conf, err := os.ReadFile(b.layout.KubeletConf())
	require.NoError(t, err)
	require.NotContains(t, string(conf), "-data: LS0tLS1CRUdJTiBFQy", "no key in it")
	require.Contains(t, string(conf), "client-key: "+currentPEM)
	target, err := os.Readlink(b.layout.At(currentPEM))
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(target))
	_, err = tls.LoadX509KeyPair(b.layout.At(target), b.layout.At(target))
	require.NoError(t, err)
	info, err := os.Stat(b.layout.At(target))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	return target
}

func TestKubeletClientCertificate(t *testing.T) {
	b := pkiBoard(t)
	r := newRun(b.options())
	r.journal = &journal.Journal{}
	before, err := os.ReadFile(b.layout.KubeletConf())
	require.NoError(t, err)
	carried, _, _ := kubeconfigCA(b.layout.KubeletConf())
	err = r.do(t.Context(), plan.KubeletCertificates{Client: true}, &work{})
	require.NoError(t, err)
	target := requireRotatable(t, b)
	assert.Regexp(t, `^/var/lib/kubelet/pki/kubelet-client-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.pem$`, target)
	conf, err := os.ReadFile(b.layout.KubeletConf())
	require.NoError(t, err)
	assert.Contains(t, string(conf), "current-context: kubelet@kubernetes", "the rest stays")
	ca, _, _ := kubeconfigCA(b.layout.KubeletConf())
	assert.Empty(t, ca, "only asked for where the certificate is inside")
	assert.NotEmpty(t, carried)

	// A second time there is nothing to do.
	require.NoError(t, certsBoard(b.layout, nil).MoveKubeletClient(certs.KubeletConf))
	again, err := os.ReadFile(b.layout.KubeletConf())
	require.NoError(t, err)
	assert.Equal(t, string(conf), string(again))

	// Of a cluster that was here before, the kubelet would take the old one.
	put(t, b.layout.At(kubeletPKI+"/kubelet-client-2019-01-01-00-00-00.pem"), "of another cluster")
	require.NoError(t, os.Remove(b.layout.At(currentPEM)))
	require.NoError(t, os.Symlink(kubeletPKI+"/kubelet-client-2019-01-01-00-00-00.pem", b.layout.At(currentPEM)))
	require.NoError(t, os.WriteFile(b.layout.KubeletConf(), before, 0o600))
	require.NoError(t, certsBoard(b.layout, nil).MoveKubeletClient(certs.KubeletConf))
	assert.Equal(t, target, requireRotatable(t, b))
}

// requireServing wants a pair that the kubelet can serve with.
func requireServing(t *testing.T, b *fakeBoard, name string) *x509.Certificate {
	t.Helper()
	base := b.layout.At(kubeletPKI + "/kubelet")
	cert, whole := readPair(base)
	require.True(t, whole)
	require.NoError(t, cert.VerifyHostname(name))
	info, err := os.Stat(base + ".key")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	return cert
}

func TestKubeletServingCertificate(t *testing.T) {
	hostname, err := os.Hostname()
	require.NoError(t, err)
	for name, o := range map[string]func(*fakeBoard) Options{
		strings.ToLower(hostname): func(b *fakeBoard) Options { return b.options() },
		"berry":                   func(b *fakeBoard) Options { return b.options("--node-name=Berry") },
		"banana": func(b *fakeBoard) Options {
			o := b.options()
			c, err := kubeadm.ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\nkind: "+
				"InitConfiguration\nnodeRegistration: {name: banana}\n"), "k.yaml")
			require.NoError(t, err)
			o.Config = c
			return o
		},
	} {
		b := newFakeBoard(t)
		r := newRun(o(b))
		require.NoError(t, r.do(t.Context(), plan.KubeletCertificates{Serving: true}, &work{}))
		first := requireServing(t, b, name)
		assert.Equal(t, x509.ECDSA, first.PublicKeyAlgorithm)
		assert.InDelta(t, 365, first.NotAfter.Sub(first.NotBefore).Hours()/24, 1)
		require.NoError(t, r.do(t.Context(), plan.KubeletCertificates{Serving: true}, &work{}))
		assert.True(t, first.Equal(requireServing(t, b, name)), "one that is there stays")
		require.NoError(t, os.Remove(b.layout.At(kubeletPKI+"/kubelet.crt")))
		require.NoError(t, r.do(t.Context(), plan.KubeletCertificates{Serving: true}, &work{}))
		requireServing(t, b, name)
	}
}

// Ended before any of its changes or after it: the next try ends as an
// undisturbed one, with one file of each kind.
func TestKubeletCertificatesKilled(t *testing.T) {
	killed := errors.New("killed")
	both := plan.KubeletCertificates{Client: true, Serving: true}
	for at := 0; ; at++ {
		b := pkiBoard(t)
		r, n := newRun(b.options("--node-name=n")), 0
		r.journal = &journal.Journal{}
		r.layout.FS.Hook = func(durable.Change) error {
			n++
			if n > at {
				return killed
			}
			return nil
		}
		err := r.do(t.Context(), both, &work{})
		if err == nil {
			require.Greater(t, at, 20, "it makes several changes")
			return
		}
		require.ErrorIs(t, err, killed)
		_, _, ok := kubeconfigCA(b.layout.KubeletConf())
		require.True(t, ok, "kubelet.conf is whole at every instant")
		r.layout.FS.Hook = nil
		require.NoError(t, r.do(t.Context(), both, &work{}))
		requireRotatable(t, b)
		requireServing(t, b, "n")
		files, err := filepath.Glob(b.layout.At(kubeletPKI + "/*"))
		require.NoError(t, err)
		require.Len(t, files, 4)
	}
}

func TestDamagedKubeletConf(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":   {"", "no current-context"},
		"torn":    {"apiVersion: v1\nclusters: [", "kubelet.conf: "},
		"no user": {"current-context: a\ncontexts: [{name: a, context: {user: b}}]\n", `no user "b"`},
		"no base64": {"current-context: a\ncontexts: [{name: a, context: {user: b}}]\nusers: [{name: b, user: " +
			"{client-certificate-data: '%'}}]\n", "illegal base64"},
		"no key":     {"current-context: a\ncontexts: [{name: a, context: {user: b}}]\nusers: [{name: b, user: {token: x}}]\n", "the client certificate"},
		"odd places": {"current-context: [a]\ncontexts: {a: b}\nusers: 7\n", "no current-context"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBoard(t)
			put(t, b.layout.KubeletConf(), c.text)
			err := certsBoard(b.layout, nil).MoveKubeletClient(certs.KubeletConf)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, b.layout.KubeletConf())
			assert.NoDirExists(t, b.layout.At(kubeletPKI))
			text, err := os.ReadFile(b.layout.KubeletConf())
			require.NoError(t, err)
			assert.Equal(t, c.text, string(text))
		})
	}
	b := newFakeBoard(t)
	require.ErrorIs(t, certsBoard(b.layout, nil).MoveKubeletClient(certs.KubeletConf), os.ErrNotExist)
	// The owner's own file stays the owner's.
	put(t, b.layout.KubeletConf(),
		"current-context: a\ncontexts: [{name: a, context: {user: b}}]\nusers: [{name: b, user: {client-certificate: /x, "+
			"client-key: /y}}]\n")
	require.NoError(t, certsBoard(b.layout, nil).MoveKubeletClient(certs.KubeletConf))
	assert.NoDirExists(t, b.layout.At(kubeletPKI))
}
