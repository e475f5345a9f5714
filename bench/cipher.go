package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// blockSize is the largest TLS record, and the largest block that
// `openssl speed` measures by default.
const blockSize = 16 << 10

// bulk returns work that handles one block per operation.
func bulk(name string, block func(n int)) work {
	return work{name: name, bytes: blockSize, do: func(n int) ([]time.Duration, error) {
		block(n)
		return nil, nil
	}}
}

func sealing(name string, aead cipher.AEAD) work {
	plain := make([]byte, blockSize)
	out := make([]byte, 0, blockSize+aead.Overhead())
	nonce := make([]byte, aead.NonceSize())
	return bulk(name, func(n int) {
		for range n {
			// The nonce stays: nothing sealed here is ever sent.
			out = aead.Seal(out[:0], nonce, plain, nil)
		}
	})
}

func aesGCM(bits int) (work, error) {
	name := fmt.Sprintf("seal/aes-%d-gcm", bits)
	block, err := aes.NewCipher(make([]byte, bits/8))
	if err != nil {
		return work{}, fmt.Errorf("%s: %w", name, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return work{}, fmt.Errorf("%s: %w", name, err)
	}
	return sealing(name, aead), nil
}

func chacha() (work, error) {
	const name = "seal/chacha20-poly1305"
	aead, err := chacha20poly1305.New(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		return work{}, fmt.Errorf("%s: %w", name, err)
	}
	return sealing(name, aead), nil
}

func hashing() work {
	data := make([]byte, blockSize)
	return bulk("hash/sha-256", func(n int) {
		for range n {
			sum := sha256.Sum256(data)
			data[0] = sum[0]
		}
	})
}
