package bootstrap

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

// TestWhatAProcessCallsItselfIsNoEvidence: a user's process keeps nobody from work.
func TestWhatAProcessCallsItselfIsNoEvidence(t *testing.T) {
	roottest.Need(t, "files of another user are made")
	b := newFakeBoard(t)
	const nobody = 65534
	forge := func(pid int, name, cmdline, program string, owner int) {
		dir := fmt.Sprintf("%s/%d", b.layout.Proc(), pid)
		put(t, dir+"/comm", name+"\n")
		put(t, dir+"/cmdline", cmdline)
		put(t, dir+"/stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 9000 0 0", pid, name))
		require.NoError(t, os.Lchown(dir, owner, owner))
		require.NoError(t, os.Symlink(program, dir+"/exe"))
	}
	forge(500, "kubeadm", "kubeadm\x00init\x00", "/home/user/kubeadm", nobody)
	forge(501, "tail", "kubeadm\x00init\x00", "/usr/bin/tail", 0) // root's, but another program
	assert.NoError(t, otherInit(b.layout))
	forge(502, "kubeadm", "kubeadm\x00init\x00", "/usr/bin/kubeadm", 0)
	assert.Error(t, otherInit(b.layout))
}
