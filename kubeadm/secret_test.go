package kubeadm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Secrets of every kind.
const (
	secretToken = "abcdef.0123456789abcdef"
	secretKey   = "8e3f1a2b4c5d6e7f8091a2b3c4d5e6f78091a2b3c4d5e6f78091a2b3c4d5e6f7"
	secretData  = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"kubeadm join --token " + secretToken + " \\": "kubeadm join --token abcdef.(secret) \\",
		"--certificate-key " + secretKey:              "--certificate-key (secret)",
		"--discovery-token-ca-cert-hash sha256:" + secretKey + " .": "--discovery-token-ca-cert-hash sha256:" + secretKey +
			" .",
		"    client-key-data: " + secretData:             "    client-key-data: (secret)",
		`"token": "` + secretData + `"`:                  `"token": "(secret)"`,
		"registry.k8s.io/pause:3.10.2 v1.37.2 10.96.0.1": "registry.k8s.io/pause:3.10.2 v1.37.2 10.96.0.1",
	} {
		assert.Equal(t, want, Redact(in))
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("kubeadm join --token " + secretToken)
	f.Fuzz(func(t *testing.T, text string) {
		if once := Redact(text); Redact(once) != once {
			t.Fatalf("%q", once)
		}
		if !strings.Contains(text, secretToken) && strings.Contains(Redact(" "+text+" "+secretToken+" "), secretToken) {
			t.Fatalf("a token is left after %q", text)
		}
	})
}

// The command is shown after a failure and kept in reports, whatever it is of.
func TestCommandsWithoutSecrets(t *testing.T) {
	for _, flag := range []string{"token", "certificate-key", "discovery-token", "tls-bootstrap-token"} {
		assert.Equal(t, "kubeadm join --"+flag+" '(secret)' -v5",
			Command{Path: "kubeadm", Args: []string{"join", "--" + flag, "hunter2", "-v5"}}.String())
		assert.Equal(t, "kubeadm join '--"+flag+"=(secret)'",
			Command{Path: "kubeadm", Args: []string{"join", "--" + flag + "=hunter2"}}.String())
	}
}
