package bootstrap

import (
	"bytes"
	"io"
	"regexp"
	"sync"
)

// Secrets that kubeadm prints: bootstrap tokens (the part after the dot is the
// secret one), certificate keys of 32 bytes, and key material in PEM or base64.
// The hash of the CA's public key, sha256:…, is public.
var (
	tokenForm = regexp.MustCompile(`([a-z0-9]{6})\.[a-z0-9]{16}\b`)
	keyForm   = regexp.MustCompile(`(sha256:)?\b[0-9a-f]{64}\b`)
	dataForm  = regexp.MustCompile(`((?:client-key-data|token|certificateKey)["']?:\s*["']?)[A-Za-z0-9+/=._-]{16,}`)
)

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
func Redacting(w io.Writer) io.Writer { return &redacting{to: w} }

type redacting struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte
}

func (r *redacting) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, p...)
	for {
		i := bytes.IndexByte(r.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		if _, err := io.WriteString(r.to, Redact(string(r.rest[:i+1]))); err != nil {
			return 0, err
		}
		r.rest = r.rest[i+1:]
	}
}
