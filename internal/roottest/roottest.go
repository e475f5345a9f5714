// Package roottest is for tests that need root: real mounts, other owners, namespaces. It is
// the only way in which a test may be skipped for that, so that root skips none.
package roottest

import (
	"os"
	"testing"
)

// Need skips a test that is not run as root. why says what root is needed for.
func Need(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: " + why)
	}
}
