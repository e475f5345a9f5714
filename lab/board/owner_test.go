package board

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
	dir, err := DirOf(name)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "board.json")))
	require.NoError(t, os.Rename(dir, filepath.Join(t.TempDir(), "gone")))
	labOK(t, "down", "--name", name)
	requireGone(t, name, before, here)
}

// TestBoardOfAnEndedProgram: a test run that was killed left its board up; the
// next one found the name taken, and the board's API server took CPU time from it.
func TestBoardOfAnEndedProgram(t *testing.T) {
	needBoard(t)
	name := fmt.Sprintf("test-left-%d", os.Getpid())
	before := traces(t, name)
	_, errOut, code := labRun(t, "up", "--name", name, "--for", "4194305")
	assert.NotZero(t, code)
	assert.Contains(t, errOut, "--for 4194305: there is no such process")

	program := exec.Command("sleep", "600")
	require.NoError(t, program.Start())
	labOK(t, "up", "--name", name, "--for", fmt.Sprint(program.Process.Pid))
	here := boardOf(t, name)
	// Its program lives: no other board's start takes it down.
	require.NoError(t, downLeft())
	labOK(t, "run", "--name", name, "--", "true")

	require.NoError(t, program.Process.Kill())
	_ = program.Wait()
	require.NoError(t, downLeft())
	requireGone(t, name, before, here)
}
