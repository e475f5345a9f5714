package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A node is Ready in what etcd has kept from before the power went; the kubelet renews its
// lease only once "said" is there, which is when the script has slept.
const stubs = `kubectl() {
	case "$*" in
	*lease*) if test -e said; then date -u +%FT%TZ; else echo 2026-01-01T00:00:00Z; fi ;;
	*) echo "shed Ready" ;;
	esac
}
pgrep() { test -e said || test $1 != "$missing"; }
sleep() { echo waited; touch said; }
`

func TestReadyIsNotWhatWasReadyBefore(t *testing.T) {
	for _, missing := range []string{"", "kube-scheduler"} {
		dir := t.TempDir()
		script := filepath.Join(dir, "script")
		require.NoError(t, os.WriteFile(script, []byte("missing="+missing+"\n"+stubs+ready(1<<40)), 0o644))
		cmd := exec.Command("sh", "-e", script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Regexp(t, "^waited\nshed Ready\nReady [0-9]+ s after", string(out))
	}
}
