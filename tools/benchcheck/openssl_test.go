package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What `openssl speed -mr` of OpenSSL 3.0 writes.
const speed = `+DT:sha256:1:16384
+R:104935:sha256:1.000000
+H:16384
+F:25:AES-128-GCM:3460433195.96
+DTP:2048:private:rsa:1
+R1:2830:2048:0.99
+F2:2:2048:2858.585859:43830.303030
+F4:3:256:37297.959184:15690.000000
`

func TestFindsTheFigures(t *testing.T) {
	want := map[string]float64{
		"RSA-2048 sign": 2858.585859, "RSA-2048 verify": 43830.30303, "ECDSA P-256 sign": 37297.959184, "ECDSA P-256 verify": 15690,
		"AES-128-GCM": 3460433195.96, "SHA-256": 3460433195.96,
	}
	for _, s := range subjects() {
		got, ok := find(speed, s.read)
		assert.True(t, ok, s.title)
		if w, listed := want[s.title]; listed {
			assert.InDelta(t, w, got, 1e-3, s.title)
		}
		_, ok = find("+R:1:2\n+F2:2\n+F:1\n+F4:3:256:x:y\n", s.read)
		assert.False(t, ok, s.title)
	}
}
