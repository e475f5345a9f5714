package host

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

// Links lead to the card's own files, wherever they point.
func TestLinksStayOnTheCard(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "this machine's", "etc/hosts": "10.0.0.1 pc\n"})
	root := tree(t, map[string]string{"etc/x": "card\n", "srv/ssd/etcd/x": "", "usr/lib/os-release": "ID=debian\n",
		"etc/folder/x": ""})
	for link, to := range map[string]string{
		"etc/absolute": "/etc/x", "etc/up": "../../../../../../../../etc/x", "etc/out": outside + "/secret", "etc/loop": "loop", "etc/nowhere": "/none",
		"var": "/srv/ssd", "etc/os-release": "../usr/lib/os-release", "etc/hosts": outside + "/etc/hosts", "etc/proc": "/proc/version", "etc/through": "folder/../x",
	} {
		require.NoError(t, os.Symlink(to, root+"/"+link))
	}
	f := filesOf(root)
	assert.True(t, f.Stopped)
	for path, want := range map[string]string{"/etc/absolute": "card", "/etc/up": "card", "/etc/out": "", "/etc/loop": "",
		"/etc/nowhere": "", "/etc/os-release": "ID=debian", "/etc/hosts": "", "/etc/proc": "", "/etc/through": "card"} {
		assert.Equal(t, want, f.Line(path), path)
	}
	assert.Equal(t, "/srv/ssd/etcd", f.Real("/var/etcd"))
	assert.Equal(t, "/srv/ssd/none/at/all", f.Real("/var/none/at/all"))
	assert.Equal(t, []string{"etcd"}, f.Names("/var"))
	assert.True(t, f.Exists("/etc/nowhere"), "a link to nowhere is a link")
	assert.Empty(t, readNames(f, "").Hosts)
}

// What lies in the folders of a running system on a card is old, and what is
// mounted there is another machine's.
func TestStoppedSystem(t *testing.T) {
	root := tree(t, map[string]string{"run/systemd/system/x": "", "run/containerd/containerd.sock": "", "dev/x": "",
		"sys/class/rtc/rtc0": "", "etc/fstab": "LABEL=a /\n", "proc/.keep": ""})
	require.NoError(t, os.Symlink("/run", root+"/var"))
	f := filesOf(root)
	assert.True(t, f.Stopped)
	for _, path := range []string{"/run/systemd/system", "/dev/x", "/sys/class", "/proc/.keep", "/var/systemd/system/x"} {
		assert.False(t, f.Exists(path), path)
		_, ok := f.Stat(path)
		assert.False(t, ok, path)
		assert.Empty(t, f.Names(path), path)
		assert.Nil(t, f.Read(path), path)
	}
	assert.NotNil(t, f.Read("/etc/fstab"))

	require.NoError(t, os.Remove(root+"/proc/.keep"))
	roottest.Need(t, "a file system is mounted")
	require.NoError(t, unix.Mount("/proc", root+"/proc", "", unix.MS_BIND, ""))
	defer func() { require.NoError(t, unix.Unmount(root+"/proc", 0)) }()
	assert.True(t, filesOf(root).Stopped, "/proc of this machine, mounted for chroot(8)")
	assert.False(t, filesOf("/").Stopped)

	assert.False(t, filesOf(tree(t, map[string]string{"proc/version": "Linux"})).Stopped)
}
