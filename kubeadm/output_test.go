package kubeadm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClosingWords(t *testing.T) {
	out := "[addons] Applied essential addon: kube-proxy\n\nYour Kubernetes control-plane has initialized " +
		"successfully!\n\nkubeadm join 10.0.0.2:6443 --token a.b\n\n"
	assert.Equal(t, "Your Kubernetes control-plane has initialized successfully!\n\nkubeadm join 10.0.0.2:6443 --token "+
		"a.b\n", CutClosingWords(out))
	assert.Empty(t, CutClosingWords("nothing of the kind"))
}

// What is told of kubeadm's output must never hold the token.
func TestPhaseLinesKeepSecretsOut(t *testing.T) {
	var told []string
	l := PhaseLines(func(s string) { told = append(told, s) }, nil)
	for _, part := range []string{"[certs] Generating \"ca\"",
		" certificate and key\n[bootstrap-token] Using token: abcdef.0123456789abcdef\n",
		"kubeadm join 10.0.0.2:6443 --token abcdef.0123456789abcdef\n[upload-certs] Using certificate key:\n0123456789\n"} {
		_, err := l.Write([]byte(part))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{`[certs] Generating "ca" certificate and key`}, told)
}
