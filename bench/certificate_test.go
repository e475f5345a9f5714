package bench

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "make the benchmark's certificates anew")

// makeIdentity makes one of the files in key: kubeadm's names and uses.
func makeIdentity(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	var out bytes.Buffer
	switch key := key.(type) {
	case *rsa.PrivateKey:
		require.NoError(t, pem.Encode(&out, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		require.NoError(t, err)
		require.NoError(t, pem.Encode(&out, &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	}
	ca := &x509.Certificate{}
	for i, c := range []*x509.Certificate{
		{Subject: pkix.Name{CommonName: "kubernetes"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign},
		{
			Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			DNSNames:    []string{"kubernetes", "kubernetes.default", serverName, serverName + ".cluster.local"},
			IPAddresses: []net.IP{net.IPv4(10, 96, 0, 1), net.IPv4(192, 168, 1, 155)},
		},
		{Subject: pkix.Name{CommonName: "system:node:board", Organization: []string{"system:nodes"}},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	} {
		c.SerialNumber, c.BasicConstraintsValid = big.NewInt(int64(i+1)), true
		c.KeyUsage |= x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		// Boards without a battery start with a clock far in the past.
		c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		if i == 0 {
			ca = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), key)
		require.NoError(t, err)
		require.NoError(t, pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return out.Bytes()
}

// Every client and server accepts them, also on a board that takes the year for
// 1970, and no handshake is cheaper for their sake: the chain is kubeadm's.
func TestIdentities(t *testing.T) {
	if *update {
		key, err := p256Key()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("key/public-benchmark-only-p256.pem", makeIdentity(t, key), 0o644))
		old, _ := pem.Decode(benchmarkRSA)
		rsaKey, err := x509.ParsePKCS1PrivateKey(old.Bytes)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("key/public-benchmark-only-rsa2048.pem", makeIdentity(t, rsaKey), 0o644))
		return // what is embedded here is the old one
	}
	for name, get := range map[string]func() (identity, error){rsa2048: rsaIdentity, ecdsaP256: p256Identity} {
		id, err := get()
		require.NoError(t, err)
		for _, when := range []time.Time{time.Unix(86400, 0), time.Now(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
			for cert, options := range map[*tls.Certificate]x509.VerifyOptions{
				&id.server: {DNSName: serverName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
				&id.client: {KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
			} {
				leaf, err := x509.ParseCertificate(cert.Certificate[0])
				require.NoError(t, err)
				options.Roots, options.CurrentTime = id.roots, when
				chains, err := leaf.Verify(options)
				require.NoError(t, err, name)
				assert.Len(t, chains[0], 2)
			}
		}
	}
	_, err := parseIdentity([]byte("no PEM"))
	require.ErrorContains(t, err, "0 certificates")
}
