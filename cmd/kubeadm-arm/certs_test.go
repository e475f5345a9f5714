package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// docs/certificates.md promises one exit code for all that cannot be renewed.
func TestExitCodeOfALockedCertificate(t *testing.T) {
	err := fmt.Errorf("renew: %w", &certs.LockedError{Err: &safefile.RefusedError{Why: "is immutable", Help: "chattr"}})
	require.Equal(t, exitCerts, exitCode(err))
	var hinted interface{ Hint() string }
	require.ErrorAs(t, err, &hinted)
	require.Equal(t, "chattr", hinted.Hint())
}

// Who asks for a longer validity than the authority's is told.
func TestValidityBeyondTheAuthority(t *testing.T) {
	ca := func(years int) certs.Authority {
		end := time.Date(2026+years, 1, 1, 0, 0, 0, 0, time.UTC)
		return certs.Authority{Name: fmt.Sprint("ca", years), Certificate: &x509.Certificate{NotAfter: end}}
	}
	var stderr strings.Builder
	v := invocation{stderr: &stderr}
	s := certs.Seen{Authorities: []certs.Authority{ca(3), ca(20), {Name: "broken"}}}
	v.sayShorter(s, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10*certs.Year)
	require.Equal(t, "kubeadm-arm: nothing that the authority ca3 signs is valid after its end on 2029-01-01\n",
		stderr.String())
}

// Ctrl-C while a token or a manifest is waited for ends the program.
func TestCtrlCAtStandardInput(t *testing.T) {
	stdin, writer := io.Pipe()
	defer writer.Close()
	v := invocation{stdin: stdin, stdout: io.Discard, stderr: io.Discard, rawStderr: io.Discard}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, v.bootstrapKubelet(ctx), context.Canceled)
}
