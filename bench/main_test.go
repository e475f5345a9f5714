package bench

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// helperEnv makes the test binary play a part in a process of its own: one that
// may mount, one that burns CPU time, one without root's powers.
const helperEnv = "BENCH_TEST_HELPER"

func TestMain(m *testing.M) {
	if part, ok := helpers[os.Getenv(helperEnv)]; ok {
		part()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var helpers = map[string]func(){
	"burn": func() {
		for n := 1; n != 0; n |= 1 {
			n++
		}
	},
	"measure": measureHelper,
}

func helper(t *testing.T, part string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+part)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
