package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeed(t *testing.T) {
	info := poolInfo([]byte("board-1"))
	assert.EqualValues(t, 56, binary.NativeEndian.Uint32(info))
	assert.EqualValues(t, 7, binary.NativeEndian.Uint32(info[4:]))
	assert.Equal(t, "board-1", string(info[8:]))

	file := filepath.Join(t.TempDir(), "seed")
	require.Error(t, seed(file), "it is not there")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, seed(file), "empty")
	require.NoError(t, os.WriteFile(file, []byte("board-1"), 0o600))
	err := seed(file)
	if os.Geteuid() == 0 {
		require.NoError(t, err, "this machine's kernel takes it")
	} else {
		require.ErrorIs(t, err, os.ErrPermission)
	}
}
