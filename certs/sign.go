package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// backdate is how far before now a certificate begins to be valid, for clocks that
// differ a little (kubeadm's CertificateBackdate, since v1.28).
const backdate = 5 * time.Minute

// Algorithm is a key's kind and size in kubeadm's words, such as "RSA-2048" or
// "ECDSA-P256" (cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go).
func Algorithm(public any) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ECDSA-P%d", k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "Ed25519" // nobody's but an owner's
	}
	return fmt.Sprintf("%T", public)
}

// newKey makes a key of the kind that another one has, and its PEM.
func newKey(like any) (crypto.Signer, []byte, error) {
	switch k := like.(type) {
	case *rsa.PublicKey:
		key, err := rsa.GenerateKey(rand.Reader, max(k.N.BitLen(), 2048))
		if err != nil {
			return nil, nil, err
		}
		return key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
	case *ecdsa.PublicKey:
		key, err := ecdsa.GenerateKey(k.Curve, rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		der, err := x509.MarshalECPrivateKey(key)
		return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
	case ed25519.PublicKey:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	}
	return nil, nil, fmt.Errorf("a key of kind %s cannot be made", Algorithm(like))
}

// signer is an authority with its key; without a certificate each certificate signs
// itself.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// reissue makes a certificate like old, with a new key of the same kind, that is
// valid from now for period, and never longer than the authority.
func (s signer) reissue(old *x509.Certificate, now time.Time, period time.Duration) (cert, key []byte, err error) {
	private, key, err := newKey(old.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		RawSubject: old.RawSubject, DNSNames: old.DNSNames, IPAddresses: old.IPAddresses,
		URIs: old.URIs, EmailAddresses: old.EmailAddresses,
		NotBefore: now.Add(-backdate).UTC(), NotAfter: now.Add(period).UTC(),
		KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage,
	}
	if s.cert != nil {
		// A second later, so that Period does not take it for one of an old kubeadm.
		if first := s.cert.NotBefore.Add(time.Second); t.NotBefore.Before(first) {
			t.NotBefore = first
		}
		if t.NotAfter.After(s.cert.NotAfter) {
			t.NotAfter = s.cert.NotAfter
		}
	}
	cert, err = s.sign(t, private)
	return cert, key, err
}

// sign makes a certificate for a key, with a serial number, and returns its PEM.
func (s signer) sign(t *x509.Certificate, private crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	t.SerialNumber, t.BasicConstraintsValid = serial.Add(serial, big.NewInt(1)), true
	parent, by := t, private
	if s.cert != nil {
		parent, by = s.cert, s.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, private.Public(), by)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// firstCertificate parses the first certificate of a PEM text.
func firstCertificate(text []byte) (*x509.Certificate, error) {
	all, err := certificates(text)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// certificates parses those of a PEM text. There is at least one.
func certificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil && len(all) == 0 {
			return nil, err
		}
		if err != nil {
			break // what follows the first one is not needed
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return all, nil
}

// parseSigner puts an authority's certificate and its key together.
func parseSigner(cert *x509.Certificate, keyText []byte) (signer, error) {
	none := signer{}
	for {
		var block *pem.Block
		if block, keyText = pem.Decode(keyText); block == nil {
			return none, errors.New("no private key in it")
		}
		var key any
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return none, err
		}
		private, ok := key.(crypto.Signer)
		public, same := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !same || !public.Equal(private.Public()) {
			return none, errors.New("it is not the key of the certificate beside it")
		}
		return signer{cert, private}, nil
	}
}

// kubeadmKeeps reports whether kubeadm makes a certificate with the same names: it knows a
// common name, organizations, DNS names and addresses
// (k8s.io/client-go/util/cert.Config).
func kubeadmKeeps(old *x509.Certificate) bool {
	known := pkix.Name{CommonName: old.Subject.CommonName, Organization: old.Subject.Organization}
	return known.String() == old.Subject.String() && len(old.URIs)+len(old.EmailAddresses) == 0
}

// prove reports whether a new certificate is what the old one was: its key, names and
// uses, the authority, and a validity that has begun and is not shorter than
// period. algorithm is the kind of key that is right beside the old one's.
func prove(old *x509.Certificate, by Authority, certText, keyText []byte, algorithm string, now time.Time,
	period time.Duration) error {
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	if a, was := Algorithm(cert.PublicKey), Algorithm(old.PublicKey); a != was && a != algorithm {
		return fmt.Errorf("its key is %s, and was %s", a, was)
	}
	if got, was := cert.Subject.String(), old.Subject.String(); got != was {
		return fmt.Errorf("it is for %q, and was for %q", got, was)
	}
	if !sameNames(cert, old) {
		return errors.New("it is not for the same names and addresses")
	}
	if fmt.Sprint(cert.ExtKeyUsage) != fmt.Sprint(old.ExtKeyUsage) {
		return errors.New("it is not for the same uses")
	}
	if cert.NotBefore.After(now) || !cert.NotAfter.After(now) {
		return fmt.Errorf("it is valid from %s to %s, and now is %s", date(cert.NotBefore), date(cert.NotAfter), date(now))
	}
	if by.Certificate == nil {
		return nil
	}
	if err := cert.CheckSignatureFrom(by.Certificate); err != nil {
		return fmt.Errorf("%s has not signed it: %w", by.File, err)
	}
	end := now.Add(period)
	if end.After(by.Certificate.NotAfter) {
		end = by.Certificate.NotAfter
	}
	end = end.Add(-roundedHour)
	if cert.NotAfter.Before(end) {
		return fmt.Errorf("it is valid to %s only, and should be to %s", date(cert.NotAfter), date(end))
	}
	return nil
}

// roundedHour is by how much a certificate may end before it should: kubeadm is told whole hours.
const roundedHour = time.Hour

func sameNames(a, b *x509.Certificate) bool {
	names := func(c *x509.Certificate) map[string]bool {
		all := map[string]bool{}
		for _, n := range c.DNSNames {
			all[n] = true
		}
		for _, ip := range c.IPAddresses {
			all[ip.String()] = true
		}
		for _, u := range c.URIs {
			all[u.String()] = true
		}
		for _, e := range c.EmailAddresses {
			all[e] = true
		}
		return all
	}
	one, other := names(a), names(b)
	if len(one) != len(other) {
		return false
	}
	for n := range one {
		if !other[n] {
			return false
		}
	}
	return true
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
