package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
)

// An emulated board that has stalled takes connections and answers none. Its name is
// known without it, and lab status does not wait for it without end.
func TestStatusOfASilentBoard(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("KUBEADM_ARM_CACHE", cache)
	b := &board.Board{Name: "d-1", Emulated: "bananapi", First: board.ProcessOf(os.Getpid()),
		Dir: filepath.Join(cache, "boards", "d-1")}
	require.NoError(t, os.MkdirAll(filepath.Dir(b.Dir), 0o755))
	require.NoError(t, b.Create())
	t.Chdir(b.Dir) // the path of a socket is short
	port, err := net.Listen("unix", "port0")
	require.NoError(t, err)
	defer port.Close()

	var out bytes.Buffer
	require.NoError(t, printNames(&out))
	assert.Equal(t, "d-1\n", out.String())
	assert.NoFileExists(t, "port0.lock", "the board was asked")

	late, cancel := context.WithCancel(t.Context())
	cancel() // as after the time for an answer
	out.Reset()
	require.NoError(t, status(late, &out, "", false))
	assert.Contains(t, out.String(), "up, but it does not answer")
	assert.FileExists(t, "port0.lock")
	out.Reset()
	require.NoError(t, status(late, &out, "", true))
	assert.Contains(t, out.String(), `"silent": true`)
}
