package drive

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A board after a power cut: first no API server, then one that has kept Ready from before, then a
// kubelet that has renewed its lease, then a node that is Ready.
func TestNodeReadyIsNotWhatWasReadyBefore(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", NodeReady+`
since=$(date -d 2026-01-02 +%s)
kubectl() {
	case "$api $*" in
	"gone "*) return 1 ;;
	*lease*) echo $api ;;
	*) echo "NAME STATUS"; echo "shed $status" ;;
	esac
}
ask() { if node_ready shed; then echo yes; else echo no; fi; }
api=gone; ask
status=Ready
api=2026-01-01T00:00:00.5Z; ask
api=; ask
status=NotReady
api=2026-01-02T00:00:00.5Z; ask
status=Ready
api=2026-01-02T00:00:00.5Z; ask
`).Output()
	assert.NoError(t, err)
	assert.Equal(t, "no\nno\nno\nno\nshed Ready\nyes\n", string(out))
}
