package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed" // for the benchmark's RSA key
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Making an RSA-2048 key takes seconds on the slowest boards, with a luck that
// differs from run to run; the cost of using one does not depend on which it is.
//
//go:embed key/public-benchmark-only-rsa2048.pem
var benchmarkRSAKey []byte

const (
	rsa2048   = "rsa-2048"
	ecdsaP256 = "ecdsa-p256"
)

func rsaKey() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(benchmarkRSAKey)
	if block == nil {
		return nil, errors.New("decode the benchmark's RSA key: no PEM block")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decode the benchmark's RSA key: %w", err)
	}
	return key, nil
}

func p256Key() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// identity is what kubeadm would have made for one kind of key: a CA and,
// signed by it directly, a certificate for the server and one for a client.
type identity struct {
	roots          *x509.CertPool
	server, client tls.Certificate
}

// serverName is the name every client of the API server may use.
const serverName = "kubernetes.default.svc"

func newIdentity(key crypto.Signer) (identity, error) {
	now := time.Now()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: name},
			// Boards without a battery start with a clock far in the past or
			// set it while this runs.
			NotBefore:             now.AddDate(-1, 0, 0),
			NotAfter:              now.AddDate(100, 0, 0),
			KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
			BasicConstraintsValid: true,
		}
	}
	caTemplate := template(1, "kubernetes")
	caTemplate.IsCA = true
	caTemplate.KeyUsage |= x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, caTemplate, caTemplate, key.Public(), key)
	if err != nil {
		return identity{}, fmt.Errorf("create the benchmark's CA certificate: %w", err)
	}
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		return identity{}, fmt.Errorf("parse the benchmark's CA certificate: %w", err)
	}
	issue := func(t *x509.Certificate, usage x509.ExtKeyUsage) (tls.Certificate, error) {
		t.ExtKeyUsage = []x509.ExtKeyUsage{usage}
		der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), key)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("create the benchmark's certificate %q: %w", t.Subject.CommonName, err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}

	id := identity{roots: x509.NewCertPool()}
	id.roots.AddCert(ca)
	server := template(2, "kube-apiserver")
	server.DNSNames = []string{"kubernetes", "kubernetes.default", serverName, serverName + ".cluster.local"}
	server.IPAddresses = []net.IP{net.IPv4(10, 96, 0, 1), net.IPv4(192, 168, 1, 155)}
	if id.server, err = issue(server, x509.ExtKeyUsageServerAuth); err != nil {
		return identity{}, err
	}
	client := template(3, "system:node:board")
	client.Subject.Organization = []string{"system:nodes"}
	if id.client, err = issue(client, x509.ExtKeyUsageClientAuth); err != nil {
		return identity{}, err
	}
	return id, nil
}
