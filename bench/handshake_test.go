package bench

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the two kinds do is what makes one more expensive; their times say so only on a machine
// that nothing disturbs.
func TestKindsOfHandshake(t *testing.T) {
	for keyType, get := range map[string]func() (identity, error){rsa2048: rsaIdentity, ecdsaP256: p256Identity} {
		id, err := get()
		require.NoError(t, err)
		for kind, certificates := range map[string]int{probe: 0, mutual: 1} {
			h := newHandshake(systemClock{}, kind, keyType, x25519mlk, id)
			near, far := newPipe()
			server := tls.Server(far, h.server)
			ended := make(chan error, 1)
			go func() { ended <- server.Handshake() }()
			client := tls.Client(near, h.client)
			require.NoError(t, client.Handshake(), h.name)
			require.NoError(t, <-ended, h.name)
			assert.Len(t, server.ConnectionState().PeerCertificates, certificates, "%s: the client's", h.name)
			assert.Len(t, server.ConnectionState().VerifiedChains, certificates, "%s: the server checks them", h.name)
			assert.Len(t, client.ConnectionState().VerifiedChains, certificates, "%s: the client checks the server's", h.name)
		}
	}
}
