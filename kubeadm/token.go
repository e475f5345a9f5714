package kubeadm

import (
	"crypto/rand"
	"fmt"
	"math/big"
)

// NewToken makes a bootstrap token, [a-z0-9]{6}.[a-z0-9]{16}
// (k8s.io/cluster-bootstrap/token/api).
func NewToken() (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	word := make([]byte, 0, 23)
	for len(word) < 23 {
		if len(word) == 6 {
			word = append(word, '.')
			continue
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			return "", fmt.Errorf("make a bootstrap token: %w", err)
		}
		word = append(word, letters[n.Int64()])
	}
	return string(word), nil
}
