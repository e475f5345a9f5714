package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ctrl-C while a token or a manifest is waited for ends the program.
func TestCtrlCAtStandardInput(t *testing.T) {
	stdin, writer := io.Pipe()
	defer writer.Close()
	v := invocation{stdin: stdin, stdout: io.Discard, stderr: io.Discard, rawStderr: io.Discard}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, v.bootstrapKubelet(ctx), context.Canceled)
}
