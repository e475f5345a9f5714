package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"sync"
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

const sha256Name = "hash/sha-256"

func hashing() work {
	data := make([]byte, blockSize)
	return bulk(sha256Name, func(n int) { hash(data, n) })
}

// hashingOn keeps that many cores busy with something that needs neither
// memory nor the garbage collector nor each other.
func hashingOn(lanes int) work {
	data := make([][]byte, lanes)
	for i := range data {
		data[i] = make([]byte, blockSize)
	}
	w := bulk(sha256Name+"/all-cores", func(n int) {
		var wg sync.WaitGroup
		for _, d := range data[1:] {
			wg.Go(func() { hash(d, n) })
		}
		hash(data[0], n)
		wg.Wait()
	})
	w.ops, w.parallel = lanes, true
	return w
}

func hash(data []byte, n int) {
	for range n {
		sum := sha256.Sum256(data)
		data[0] = sum[0]
	}
}
