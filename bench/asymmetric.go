package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"time"
)

// The signatures are those of certificates: PKCS #1 v1.5 for RSA, ASN.1 for ECDSA.

func repeat(name string, once func() error) work {
	return work{name: name, do: func(n int) ([]time.Duration, error) {
		for range n {
			if err := once(); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil, nil
	}}
}

func rsaWorks(key *rsa.PrivateKey) ([]work, error) {
	digest := sha256.Sum256([]byte("a certificate"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign with the benchmark's RSA key: %w", err)
	}
	return []work{
		repeat("sign/"+rsa2048, func() error {
			_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
			return err
		}),
		repeat("verify/"+rsa2048, func() error {
			return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature)
		}),
	}, nil
}

func ecdsaWorks(key *ecdsa.PrivateKey) ([]work, error) {
	digest := sha256.Sum256([]byte("a certificate"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign with a P-256 key: %w", err)
	}
	return []work{
		repeat("sign/"+ecdsaP256, func() error {
			_, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
			return err
		}),
		repeat("verify/"+ecdsaP256, func() error {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				return fmt.Errorf("the signature made a moment ago does not verify")
			}
			return nil
		}),
		repeat("keygen/"+ecdsaP256, func() error {
			_, err := p256Key()
			return err
		}),
	}, nil
}
