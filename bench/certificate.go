package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // for the benchmark's keys
	"encoding/pem"
	"fmt"
	"sync"
)

// Making an RSA-2048 key takes seconds on the slowest boards, with a luck that
// differs from run to run, and signing three certificates a third of a second; the
// cost of using them does not depend on which they are. Each file holds a key and
// the certificates of a CA, a server and a client.
var (
	//go:embed key/public-benchmark-only-rsa2048.pem
	benchmarkRSA []byte
	//go:embed key/public-benchmark-only-p256.pem
	benchmarkP256 []byte
)

const (
	rsa2048   = "rsa-2048"
	ecdsaP256 = "ecdsa-p256"
)

func p256Key() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// identity is what kubeadm would have made for one kind of key: a CA and,
// signed by it directly, a certificate for the server and one for a client.
type identity struct {
	key            crypto.Signer
	roots          *x509.CertPool
	server, client tls.Certificate
}

// serverName is the name every client of the API server may use.
const serverName = "kubernetes.default.svc"

// Read once: an RSA key is checked while it is read, which takes its time.
var (
	rsaIdentity  = sync.OnceValues(func() (identity, error) { return parseIdentity(benchmarkRSA) })
	p256Identity = sync.OnceValues(func() (identity, error) { return parseIdentity(benchmarkP256) })
)

// parseIdentity reads one of these files.
func parseIdentity(text []byte) (identity, error) {
	id := identity{roots: x509.NewCertPool()}
	var certs [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			var key *rsa.PrivateKey
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
			id.key = key
		case "EC PRIVATE KEY":
			var key *ecdsa.PrivateKey
			key, err = x509.ParseECPrivateKey(block.Bytes)
			id.key = key
		default:
			certs = append(certs, block.Bytes)
		}
		if err != nil {
			return id, fmt.Errorf("decode the benchmark's keys: %w", err)
		}
	}
	if len(certs) != 3 || id.key == nil {
		return id, fmt.Errorf("decode the benchmark's keys: %d certificates, want a key and 3", len(certs))
	}
	ca, err := x509.ParseCertificate(certs[0])
	if err != nil {
		return id, fmt.Errorf("decode the benchmark's keys: %w", err)
	}
	id.roots.AddCert(ca)
	id.server = tls.Certificate{Certificate: certs[1:2], PrivateKey: id.key}
	id.client = tls.Certificate{Certificate: certs[2:3], PrivateKey: id.key}
	return id, nil
}
