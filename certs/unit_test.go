package certs

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the units of the packages")

// The packages bring the units that the program would install itself.
func TestPackagedUnits(t *testing.T) {
	units, err := Units("/usr/bin/kubeadm-arm")
	require.NoError(t, err)
	for name, text := range units {
		path := filepath.Join("../packaging", name)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(got), "go test ./certs -run TestPackagedUnits -update writes it")
	}
}

func TestInstallUnits(t *testing.T) {
	b := Board{Root: t.TempDir()}
	program := func() (string, error) { return "/usr/local/bin/kubeadm-arm", nil }
	require.NoError(t, b.InstallUnits(program))
	assert.NoDirExists(t, b.at("/etc"), "no systemd runs the board")
	require.NoError(t, os.MkdirAll(b.at("/run/systemd/system"), 0o755))
	require.NoError(t, b.InstallUnits(program))
	link := b.at("/etc/systemd/system/multi-user.target.wants/" + bootUnit)
	target, err := os.Readlink(link)
	require.NoError(t, err)
	assert.Equal(t, "/etc/systemd/system/"+bootUnit, target)
	// systemctl disable is the owner's word, and so is what is in the file.
	require.NoError(t, os.Remove(link))
	require.NoError(t, b.InstallUnits(program))
	assert.NoFileExists(t, link)
	removed, err := b.RemoveUnits()
	require.NoError(t, err)
	assert.Len(t, removed, 3)
	again, err := b.RemoveUnits()
	require.NoError(t, err)
	assert.Empty(t, again)

	require.NoError(t, os.MkdirAll(b.at("/usr/lib/systemd/system"), 0o755))
	require.NoError(t, os.WriteFile(b.at("/usr/lib/systemd/system/"+bootUnit), nil, 0o644))
	require.NoError(t, b.InstallUnits(program))
	assert.NoFileExists(t, b.at("/etc/systemd/system/"+bootUnit), "a package's is there")
}
