package manifests

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// The unit in packaging/ is the one that init installs, for the packaged place.
func TestPackagedUnit(t *testing.T) {
	const path = "../../packaging/" + state.UnitName
	want, err := Unit("/usr/bin/kubeadm-arm")
	require.NoError(t, err)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(text))
}

// A program that root's units must not name, or cannot, installs no unit.
func TestUnitPaths(t *testing.T) {
	b := boardtest.New(t)
	require.NoError(t, InstallUnit(b.Layout, packaged))
	file := b.Layout.Unit()
	assert.NoFileExists(t, file, "no systemd here")
	b.WithSystemd()
	require.NoError(t, InstallUnit(b.Layout, nil))
	assert.NoFileExists(t, file)
	for _, path := range []string{"", "a", "/a\nExecStart=/x", "/a'b", "/a$b"} {
		require.Error(t, InstallUnit(b.Layout, func() (string, error) { return path, nil }), path)
		assert.NoFileExists(t, file, path)
	}
	untrusted := func() (string, error) {
		return "", &systemd.UntrustedError{Program: "/tmp/x", Path: "/tmp", Why: "is anybody's"}
	}
	var refused *state.RefusedError
	require.ErrorAs(t, InstallUnit(b.Layout, untrusted), &refused)
	assert.Equal(t, state.UntrustedProgram, refused.Reason)
	assert.NoFileExists(t, file)
	assert.ErrorAs(t, CheckProgram(b.Layout, untrusted), &refused)
	require.NoError(t, InstallUnit(b.Layout, func() (string, error) { return "/opt/my tools/100%", nil }))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nExecStart=\"/opt/my tools/100%%\" release --wait\n")
	require.NoError(t, InstallUnit(b.Layout, packaged))
	require.NoError(t, InstallUnit(b.Layout, packaged), "again changes nothing")
	assert.FileExists(t, file)
	require.NoError(t, RemoveUnit(b.Layout))
	require.NoError(t, RemoveUnit(b.Layout))
	assert.NoFileExists(t, file)
	// A package's own stays as it is.
	boardtest.Put(t, b.Layout.At("/lib/systemd/system/"+state.UnitName), "packaged")
	boardtest.Put(t, b.Layout.At("/etc/systemd/system/multi-user.target.wants/"+state.UnitName), "enabled")
	require.NoError(t, InstallUnit(b.Layout, packaged))
	assert.NoFileExists(t, file)
	require.NoError(t, RemoveUnit(b.Layout))
	assert.FileExists(t, b.Layout.At("/etc/systemd/system/multi-user.target.wants/"+state.UnitName))
}

func TestHeldBackNamesOnlyComponents(t *testing.T) {
	b := boardtest.New(t)
	require.NoError(t, state.Open(b.Layout))
	boardtest.Put(t, b.Layout.BootList(), "../../etc/shadow\nkube-scheduler\n\nkube-scheduler kubelet")
	names, err := BootList(b.Layout)
	require.NoError(t, err)
	assert.Equal(t, []string{plan.Scheduler}, names)
}

func packaged() (string, error) { return "/usr/bin/kubeadm-arm", nil }
