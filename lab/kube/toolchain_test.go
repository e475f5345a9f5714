package kube

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSameMinor(t *testing.T) {
	assert.True(t, sameMinor("1.26.8", "1.26.10"))
	assert.True(t, sameMinor("1.26", "1.26.10"))
	assert.False(t, sameMinor("1.22.9", "1.26.8"))
	assert.False(t, sameMinor("devel", "devel"))
}

// TestTheGoAtHandIsGoodEnough: a release made with this Go, one without a word
// about it and one with nonsense all take it.
func TestTheGoAtHandIsGoodEnough(t *testing.T) {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	require.NoError(t, err)
	for _, said := range []string{strings.TrimPrefix(string(out), "go"), "", "nonsense; rm"} {
		source, file := t.TempDir(), filepath.Join(t.TempDir(), toolchainFile)
		if said != "" {
			require.NoError(t, os.WriteFile(filepath.Join(source, ".go-version"), []byte(said), 0o644))
		}
		require.NoError(t, chooseGo(t.Context(), source, file))
		assert.NoFileExists(t, file, said)
	}
}
