package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// born is when the clusters of the tests were made, and later when they wake up.
var (
	born  = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	later = born.AddDate(0, 0, 400)
)

func kindOf(algorithm string) any {
	if strings.HasPrefix(algorithm, "RSA") {
		return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047)}
	}
	return &ecdsa.PublicKey{Curve: elliptic.P256()}
}

// node is a control plane below a root folder, made by born.
type node struct {
	t         *testing.T
	root      string
	dir       string
	algorithm string
	period    time.Duration
}

func (n node) put(name string, text []byte, mode fs.FileMode) {
	n.t.Helper()
	path := filepath.Join(n.root, name)
	require.NoError(n.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(n.t, os.WriteFile(path, text, mode))
}

// authority makes a CA like kubeadm's.
func (n node) authority(name, base string) signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(n.t, err)
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: born.Add(-backdate - time.Minute), NotAfter: born.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	require.NoError(n.t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(n.t, err)
	n.put(filepath.Join(n.dir, base+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
	n.put(filepath.Join(n.dir, base+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600)
	cert, err := x509.ParseCertificate(der)
	require.NoError(n.t, err)
	return signer{cert, key}
}

func (n node) leaf(by signer, name, organization string) (cert, key []byte) {
	subject, err := (pkix.Name{CommonName: name, Organization: []string{organization}}).ToRDNSequence(), error(nil)
	require.NoError(n.t, err)
	raw, err := marshal(subject)
	require.NoError(n.t, err)
	old := &x509.Certificate{
		RawSubject: raw, DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(10, 88, 0, 2).To4()},
		PublicKey: kindOf(n.algorithm), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, key, err = by.reissue(old, born, n.period)
	require.NoError(n.t, err)
	return cert, key
}

func conf(user string, cert, key []byte) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: %[1]s@kubernetes
clusters:
- name: kubernetes
  cluster: {server: "https://10.88.0.2:6443", certificate-authority-data: eA==}
contexts:
- name: %[1]s@kubernetes
  context: {cluster: kubernetes, user: %[1]s}
users:
- name: %[1]s
  user:
    client-certificate-data: %[2]s
    client-key-data: %[3]s
`, user, base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key))
}

// inMemory is a folder in memory: a disk takes its time for each of some thousand syncs.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "certs-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// newNode makes a whole control plane with everything that this package looks at.
func newNode(t *testing.T, algorithm string) node {
	n := node{t, inMemory(t), defaultPKI, algorithm, Year}
	n.make()
	return n
}

func (n node) make() {
	ca := n.authority("kubernetes", "ca")
	front := n.authority("front-proxy-ca", "front-proxy-ca")
	etcd := n.authority("etcd-ca", "etcd/ca")
	by := map[string]signer{"ca": ca, "front-proxy-ca": front, "etcd-ca": etcd, "": {}}
	for _, l := range leaves(n.dir) {
		cert, key := n.leaf(by[l.Authority], "cn-"+l.Name, "system:test")
		switch l.Form {
		case Pair:
			n.put(l.File, cert, 0o644)
			n.put(l.Key, key, 0o600)
		case Kubeconfig:
			n.put(l.File, conf(l.Name, cert, key), 0o600)
		case Bundle:
			if l.Name == "kubelet-server" {
				continue
			}
			old := strings.TrimSuffix(l.File, "-current.pem") + "-2025-03-01-12-00-00.pem"
			n.put(old, append(cert, key...), 0o600)
			require.NoError(n.t, os.Symlink(old, filepath.Join(n.root, l.File)))
		}
	}
	n.put("/etc/kubernetes/manifests/etcd.yaml", []byte("kind: Pod\n"), 0o600)
	n.put("/etc/kubernetes/manifests/kube-apiserver.yaml", fmt.Appendf(nil, `spec:
  containers:
  - command: [kube-apiserver, --advertise-address=10.88.0.2, --client-ca-file=%s/ca.crt]
`, n.dir), 0o600)
}

// board is the node with a kubeadm of the test, which renews as the real one does: in
// place, with the key and the validity that it is told.
func (n node) board(hook durable.Hook) Board {
	return Board{Root: n.root, FS: durable.FS{Hook: hook}, Now: func() time.Time { return later }, Kubeadm: Kubeadm{
		Renews: func(l Leaf, _ string, _ time.Duration) bool { return true },
		Renew: func(_ context.Context, r Request) error {
			s := Seen{Dir: defaultPKI}
			for _, l := range leaves(defaultPKI) {
				if !strings.Contains(" "+strings.Join(r.Names, " ")+" ", " "+l.Name+" ") {
					continue
				}
				if err := renewInPlace(r, s, l); err != nil {
					return err
				}
			}
			return nil
		},
	}}
}

func renewInPlace(r Request, s Seen, l Leaf) error {
	read := func(file string) []byte {
		text, _ := os.ReadFile(filepath.Join(r.Dir, s.inKubernetes(file)))
		return text
	}
	base := map[string]string{"ca": "/ca", "front-proxy-ca": "/front-proxy-ca", "etcd-ca": "/etcd/ca"}[l.Authority]
	ca, err := firstCertificate(read(defaultPKI + base + ".crt"))
	if err != nil {
		return err
	}
	by, err := parseSigner(ca, read(defaultPKI+base+".key"))
	if err != nil {
		return err
	}
	text := read(l.File)
	old := text
	if l.Form == Kubeconfig {
		c, err := readCredentials(text)
		if err != nil {
			return err
		}
		old = c.cert
	}
	cert, err := firstCertificate(old)
	if err != nil {
		return err
	}
	cert.PublicKey = kindOf(r.Algorithm)
	fresh, key, err := by.reissue(cert, later, r.Period)
	if err != nil {
		return err
	}
	at := func(file string) string { return filepath.Join(r.Dir, s.inKubernetes(file)) }
	if l.Form == Kubeconfig {
		if text, err = withCredentials(text, fresh, key); err != nil {
			return err
		}
		return os.WriteFile(at(l.File), text, 0o600)
	}
	if err := os.WriteFile(at(l.Key), key, 0o600); err != nil {
		return err
	}
	return os.WriteFile(at(l.File), fresh, 0o644)
}

func (n node) look() Seen {
	n.t.Helper()
	s, err := Look(n.board(nil).root())
	require.NoError(n.t, err)
	return s
}

// tree is every file of the node: kind, mode and contents, by path.
func (n node) tree() map[string]string {
	n.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(n.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if target, e := os.Readlink(path); e == nil {
			text, err = []byte(target), nil
		}
		all[strings.TrimPrefix(path, n.root)] = info.Mode().String() + " " + string(text)
		return err
	})
	require.NoError(n.t, err)
	return all
}
