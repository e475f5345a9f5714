package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBoardOfAnotherCache: boards of two caches never take each other's name,
// and a board whose files somebody has removed can still be taken down.
func TestBoardOfAnotherCache(t *testing.T) {
	needBoard(t)
	name := fmt.Sprintf("test-own-%d", os.Getpid())
	before := traces(t, name)
	labOK(t, "up", "--name", name)

	other := t.TempDir()
	inOther := func(args ...string) (string, error) {
		cmd := exec.Command(labProgram.path, args...)
		cmd.Env = append(os.Environ(), "KUBEADM_ARM_CACHE="+other)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := inOther("up", "--name", name)
	assert.Error(t, err)
	assert.Contains(t, out, "the name is taken by a board in")
	out, err = inOther("down", "--name", name)
	assert.Error(t, err)
	assert.Contains(t, out, "not up")
	_, err = inOther("down", "--all")
	require.NoError(t, err)
	labOK(t, "run", "--name", name, "--", "true")

	here := boardOf(t, name)
	dir, err := boardDir(name)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "board.json")))
	require.NoError(t, os.Rename(dir, filepath.Join(t.TempDir(), "gone")))
	labOK(t, "down", "--name", name)
	requireGone(t, name, before, here)
}
