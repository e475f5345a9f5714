package boardtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An Authority signs certificates for the test.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair writes BASE.crt and BASE.key for these names, signed by a, or by itself without one.
func Pair(t *testing.T, base string, a *Authority, names ...string) *Authority {
	t.Helper()
	valid := time.Hour
	if a == nil {
		valid = 1000 * time.Hour // authorities outlive what they sign
	}
	return PairUntil(t, base, a, time.Now().Add(valid), names...)
}

// PairUntil writes such a pair that ends at a time.
func PairUntil(t *testing.T, base string, a *Authority, end time.Time, names ...string) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: filepath.Base(base)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IsCA: a == nil, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, DNSNames: names}
	if a == nil {
		a = &Authority{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	Put(t, base+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	text, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	Put(t, base+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})))
	return &Authority{c, key}
}

// MakePKI makes all that kubeadm's certs and kubeconfig phases make.
func (b *Board) MakePKI() {
	t := b.t
	pki := b.Layout.At("/etc/kubernetes/pki") + "/"
	for ca, leaves := range map[string][]string{
		"ca": {"apiserver", "apiserver-kubelet-client"}, "front-proxy-ca": {"front-proxy-client"},
		"etcd/ca": {"etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"},
	} {
		a := Pair(t, pki+ca, nil)
		for _, l := range leaves {
			Pair(t, pki+l, a)
		}
	}
	Pair(t, pki+"sa", nil)
	require.NoError(t, os.Rename(pki+"sa.crt", pki+"sa.pub"))
	read := func(name string) string {
		text, err := os.ReadFile(pki + name)
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(text)
	}
	for _, name := range []string{"admin", "super-admin", "kubelet", "controller-manager", "scheduler"} {
		Put(t, b.Layout.At("/etc/kubernetes/"+name+".conf"), fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- {name: kubernetes, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: %[1]s}}
contexts:
- {name: %[2]s@kubernetes, context: {cluster: kubernetes, user: %[2]s}}
current-context: %[2]s@kubernetes
preferences: {}
users:
- {name: %[2]s, user: {client-certificate-data: %[3]s, client-key-data: %[4]s}}
`, read("ca.crt"), name, read("apiserver-kubelet-client.crt"), read("apiserver-kubelet-client.key")))
	}
}
