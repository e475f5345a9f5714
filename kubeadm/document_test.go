package kubeadm

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/versions.md anew")

func TestVersionsDocumentIsOfThisTable(t *testing.T) {
	var got bytes.Buffer
	require.NoError(t, WriteDocument(&got))
	const path = "../docs/versions.md"
	if *update {
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String(), "run make versions-table")
}
