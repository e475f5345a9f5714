package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate is a self-signed one that ends some days from now.
func certificate(t *testing.T, days int, ca bool) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: ca, BasicConstraintsValid: ca,
		NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func kubeconfig(cert []byte) []byte {
	return kubeconfigOf("client-certificate-data: " + base64.StdEncoding.EncodeToString(cert))
}

func kubeconfigOf(user string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: x@kubernetes
contexts: [{name: x@kubernetes, context: {cluster: kubernetes, user: x}}]
users: [{name: x, user: {%s}}]
`, user)
}

// Certificates are judged by whose they are: kubeadm renews its own, the kubelet
// its own until it has expired, and nobody a CA.
func TestFieldCertificates(t *testing.T) {
	const client = "/var/lib/kubelet/pki/kubelet-client-2025-01-01-00-00-00.pem"
	for name, c := range map[string]struct {
		files map[string][]byte
		want  []string
	}{
		"all well": {map[string][]byte{"/etc/kubernetes/pki/apiserver.crt": certificate(t, 200, false), "/etc/kubernetes/admin.conf": kubeconfig(certificate(t, 31, false)), client: certificate(t, 300, false)},
			[]string{"want ok certificates", "want ok kubelet-certificate", "not ca-certificates"}},
		"the kubelet's has expired": {map[string][]byte{client: certificate(t, -3, false), "/etc/kubernetes/pki/apiserver.crt": certificate(t, 200, false), "/etc/kubernetes/pki/ca.key": nil},
			[]string{"want fail kubelet-certificate kubeadm certs renew does not renew this one", "want fail kubelet-certificate sudo kubeadm-arm certs renew", "want ok certificates"}},
		"on a worker": {map[string][]byte{client: certificate(t, -3, false)}, []string{"want fail kubelet-certificate kubeadm-arm certs renew --token-stdin"}},
		"the kubelet's in its kubeconfig": {map[string][]byte{"/etc/kubernetes/kubelet.conf": kubeconfig(certificate(t, -3, false)), "/etc/kubernetes/pki/ca.key": nil},
			[]string{"want fail kubelet-certificate /etc/kubernetes/kubelet.conf"}},
		"the kubelet's does not renew itself": {map[string][]byte{client: certificate(t, 20, false)}, []string{"want warning kubelet-certificate long ago"}},
		"a kubeconfig soon":                   {map[string][]byte{"/etc/kubernetes/scheduler.conf": kubeconfig(certificate(t, 29, false))}, []string{"want warning certificates /etc/kubernetes/scheduler.conf"}},
		"one of etcd's": {map[string][]byte{"/etc/kubernetes/pki/etcd/healthcheck-client.crt": certificate(t, -1, false)},
			[]string{"want fail certificates sudo kubeadm-arm certs renew", "want fail certificates healthcheck-client.crt"}},
		"every leaf": {map[string][]byte{"/etc/kubernetes/pki/apiserver-kubelet-client.crt": certificate(t, -1, false), "/etc/kubernetes/pki/front-proxy-client.crt": certificate(t, -1, false), "/etc/kubernetes/super-admin.conf": kubeconfig(certificate(t, -1, false))},
			[]string{"want fail certificates apiserver-kubelet-client.crt", "want fail certificates front-proxy-client.crt", "want fail certificates super-admin.conf"}},
		"an old kubeadm": {map[string][]byte{"/etc/kubernetes/admin.conf": kubeconfig(certificate(t, -1, false)), "/var/lib/dpkg/status": []byte("Package: kubeadm\nStatus: install ok installed\nVersion: 1.14.10-00\n")},
			[]string{"want fail certificates sudo kubeadm-arm certs renew"}},
		"a CA":           {map[string][]byte{"/etc/kubernetes/pki/ca.crt": certificate(t, 10, true)}, []string{"want warning ca-certificates manual-rotation"}},
		"another folder": {map[string][]byte{"/srv/pki/apiserver.crt": certificate(t, -1, false)}, []string{"want fail certificates /srv/pki/apiserver.crt"}},
		"broken": {map[string][]byte{"/etc/kubernetes/admin.conf": kubeconfigOf("client-certificate-data: '%'"), client: []byte("x")},
			[]string{"not certificates", "want fail broken-certificates kubelet-client-current.pem"}},
		"cut off by a power cut": {map[string][]byte{"/etc/kubernetes/pki/apiserver.crt": certificate(t, 200, false)[:60], "/etc/kubernetes/pki/etcd/ca.crt": nil, "/etc/kubernetes/scheduler.conf": nil, client: certificate(t, 300, false)},
			[]string{"want fail broken-certificates /etc/kubernetes/pki/apiserver.crt, /etc/kubernetes/pki/etcd/ca.crt, /etc/kubernetes/scheduler.conf"}},
		"a kubeconfig with a token": {map[string][]byte{"/etc/kubernetes/admin.conf": kubeconfigOf("token: x")}, []string{"not broken-certificates"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
			b.want = c.want
			b.direct(t, "link /var/lib/kubelet/pki/kubelet-client-current.pem "+client)
			for path, text := range c.files {
				writeBelow(t, b.root, path, text)
			}
			if name == "another folder" {
				b.flags = []string{"--cert-dir", "/srv/pki"}
			}
			b.check(t, b.report(t))
		})
	}
}
