package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withoutDriver is a configuration of containerd that lacks the systemd driver.
const withoutDriver = "version = 2 # mine\n" +
	"[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n" +
	"runtime_type = \"io.containerd.runc.v2\"\n"

// A fix keeps mode and link, and the text as it was under a dated name.
func TestFixKeepsWhatIsThere(t *testing.T) {
	c := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
	c.direct(t, "link /etc/containerd/config.toml /srv/containerd.toml")
	writeBelow(t, c.root, "/srv/containerd.toml", []byte(withoutDriver))
	real := c.root + "/srv/containerd.toml"
	require.NoError(t, os.Chmod(real, 0o640))

	out, errs, code := c.ask(t, "--fix", "cgroup-driver", "--dry-run")
	require.Zero(t, code, errs)
	assert.Contains(t, out, "+SystemdCgroup = true")
	assert.Contains(t, out, "Nothing was changed.")
	text, err := os.ReadFile(real)
	require.NoError(t, err)
	assert.Equal(t, withoutDriver, string(text))

	out, errs, code = c.ask(t, "--fix", "cgroup-driver")
	require.Zero(t, code, errs)
	assert.Contains(t, out, "Now:\n  sudo systemctl restart containerd")
	target, err := os.Readlink(c.root + "/etc/containerd/config.toml")
	require.NoError(t, err)
	assert.Equal(t, "/srv/containerd.toml", target)
	info, err := os.Stat(real)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode())
	copies, err := filepath.Glob(c.root + fixCopies + "/etc/containerd/config.toml.before-*")
	require.NoError(t, err)
	require.Len(t, copies, 1)
	assert.Contains(t, out, copies[0])
	text, err = os.ReadFile(copies[0])
	require.NoError(t, err)
	assert.Equal(t, withoutDriver, string(text))
	assert.NotContains(t, filepath.Ext(copies[0]), "toml", "no import with a pattern reads the copy")

	// Another change within the same second keeps another copy.
	require.NoError(t, os.WriteFile(real, []byte(withoutDriver+"# x\n"), 0o640))
	_, errs, code = c.ask(t, "--fix", "cgroup-driver")
	require.Zero(t, code, errs)
	copies, err = filepath.Glob(c.root + fixCopies + "/etc/containerd/config.toml.before-*")
	require.NoError(t, err)
	assert.Len(t, copies, 2)

	// A second time there is nothing to do.
	out, _, code = c.ask(t, "--fix", "cgroup-driver")
	assert.Zero(t, code)
	assert.Contains(t, out, "Nothing was changed.")
}

// What cannot be fixed says why, with a next step, and nothing is written.
func TestFixRefuses(t *testing.T) {
	c := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
	for name, x := range map[string]struct {
		id, file, says string
		code           int
	}{
		"no such finding":     {"no-such", "", `there is no finding "no-such"`, exitUsage},
		"none about a file":   {"cni-plugins", "", "finding cni-plugins is not about a setting in a file", exitUsage},
		"a list of tables":    {"cgroup-driver", "version = 2\n[[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]]\nx = 1\n", "/etc/containerd/config.toml", exitBadInput},
		"one good, one not":   {"ip-forward,no-such", "", `there is no finding "no-such"`, exitUsage},
		"a value in its way":  {"cgroup-driver", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\ncontainerd = \"no\"\n", "is not a table", exitBadInput},
		"options that is one": {"cgroup-driver", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\noptions = 5\n", "is not a table", exitBadInput},
	} {
		require.NoError(t, os.RemoveAll(c.root+"/opt/cni"))
		writeBelow(t, c.root, "/proc/sys/net/ipv4/ip_forward", []byte("0\n"))
		text := x.file
		if text == "" {
			text = withoutDriver
		}
		writeBelow(t, c.root, "/etc/containerd/config.toml", []byte(text))
		out, errs, code := c.ask(t, "--fix", x.id)
		assert.Equal(t, x.code, code, "%s: %s%s", name, out, errs)
		assert.Contains(t, errs, x.says, name)
		assert.Equal(t, 2, strings.Count(errs, "\n"), "%s: one line and a hint: %s", name, errs)
		after, err := os.ReadFile(c.root + "/etc/containerd/config.toml")
		require.NoError(t, err)
		assert.Equal(t, text, string(after), name)
		assert.NoDirExists(t, c.root+"/etc/sysctl.d", name)
	}
}

// The copies of a card's files stay on the card, wherever links on it lead.
func TestFixStaysOnTheCard(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	writeBelow(t, root, "/boot/cmdline.txt", []byte("root=/dev/mmcblk0p2\n"))
	require.NoError(t, os.MkdirAll(root+fixCopies, 0o755))
	require.NoError(t, os.Symlink(outside, root+fixCopies+"/boot"))
	f, err := readForFix(root, "/boot/cmdline.txt")
	require.NoError(t, err)
	f.after = []byte("root=/dev/mmcblk0p2 x\n")
	kept, err := f.write(root, time.Now())
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(kept, root+"/"), kept)
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left)
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	assert.Equal(t, "root=/dev/mmcblk0p2\n", string(text))
}
