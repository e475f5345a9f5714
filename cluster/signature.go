package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
)

// signature is the detached JWS of cluster-info's kubeconfig by which an API server shows
// that it knows a bootstrap token (RFC 7515, appendix F; k8s.io/cluster-bootstrap/token/jws).
func signature(content, id, secret string) string {
	header, _ := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Key       string `json:"kid"`
	}{"HS256", id}) // two texts are always encoded
	encode := base64.RawURLEncoding.EncodeToString
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(encode(header) + "." + encode([]byte(content))))
	return encode(header) + ".." + encode(mac.Sum(nil))
}

// Signed reports whether a signature in cluster-info was made with a token.
func Signed(content, signed, token string) bool {
	id, secret, _ := strings.Cut(token, ".")
	return hmac.Equal([]byte(signed), []byte(signature(content, id, secret)))
}

// KeyHash is the form in which kubeadm names a CA by its public key.
func KeyHash(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// certificates reads all certificates of a PEM text; other blocks are skipped.
func certificates(text []byte) (all []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, cert)
		}
	}
	return all
}
