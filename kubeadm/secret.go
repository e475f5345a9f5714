package kubeadm

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"slices"
)

// Secrets that kubeadm prints: bootstrap tokens (the part after the dot is the
// secret one), certificate keys of 32 bytes, and key material in PEM or base64.
// The hash of the CA's public key, sha256:…, is public.
var (
	tokenForm = regexp.MustCompile(`([a-z0-9]{6})\.[a-z0-9]{16}\b`)
	keyForm   = regexp.MustCompile(`(sha256:)?\b[0-9a-f]{64}\b`)
	dataForm  = regexp.MustCompile(`((?:client-key-data|token|certificateKey)["']?:\s*["']?)[A-Za-z0-9+/=._-]{16,}`)
)

// IsSecret reports whether the value of a flag of kubeadm's is a secret.
func IsSecret(flag string) bool {
	return slices.Contains([]string{"token", "certificate-key", "discovery-token", "tls-bootstrap-token"}, flag)
}

// IsToken reports whether a text has the form of a bootstrap token
// (k8s.io/cluster-bootstrap/token/api).
func IsToken(text string) bool { return tokenWhole.MatchString(text) }

var tokenWhole = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

// Redact removes secrets from a text that is shown after a failure or kept.
func Redact(text string) string {
	text = tokenForm.ReplaceAllString(text, "$1.(secret)")
	text = dataForm.ReplaceAllString(text, "$1(secret)")
	return keyForm.ReplaceAllStringFunc(text, func(m string) string {
		if len(m) > 64 {
			return m
		}
		return "(secret)"
	})
}

// Redacting passes whole lines on to w without their secrets.
func Redacting(w io.Writer) io.Writer {
	return &guarded{to: Lines(func(line []byte, cut bool) error {
		text := Redact(string(line))
		if cut {
			text += " …"
		}
		_, err := io.WriteString(w, text+"\n")
		return err
	})}
}

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
