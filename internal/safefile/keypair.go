package safefile

import "crypto/tls"

// LoadKeyPair is [tls.LoadX509KeyPair] within limits.
func LoadKeyPair(certFile, keyFile string, limit int64) (tls.Certificate, error) {
	cert, err := Read(certFile, limit)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := Read(keyFile, limit)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}
