package host

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// tree writes files below a new folder.
func tree(t *testing.T, all map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range all {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

const piMounts = `22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
23 22 0:20 / /sys rw - sysfs sysfs rw
24 23 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
30 22 8:1 / /mnt/a\040disk rw - ext4 /dev/sda1 ro,errors=remount-ro
31 22 0:31 / /var/lib/containerd rw - overlay overlay rw
`

func TestVolumesOnCards(t *testing.T) {
	for card, want := range map[string]string{"SD\n": "SD", "MMC\n": "MMC", "": ""} {
		root := tree(t, map[string]string{"sys/block/mmcblk0/device/type": card, "sys/devices/mmcblk0/mmcblk0p2/x": ""})
		require.NoError(t, os.MkdirAll(root+"/sys/dev/block", 0o755))
		require.NoError(t, os.Symlink("../../devices/mmcblk0/mmcblk0p2", root+"/sys/dev/block/179:2"))
		v := readVolume(filesIn(root), linux.ParseMounts([]byte(piMounts)), "/var/lib/etcd")
		assert.Equal(t, Volume{Path: "/var/lib/etcd", FSType: "ext4", Disk: "mmcblk0", Card: want}, v, "/dev/root names "+
			"no disk, sysfs does")
	}
}

func TestCgroups(t *testing.T) {
	v1 := map[string]string{
		"proc/self/mountinfo": "24 23 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n25 24 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n26 24 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
		"proc/cgroups":        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t2\t1\t1\nmemory\t0\t1\t0\n",
	}
	mounts := func(all map[string]string) linux.Mounts { return linux.ParseMounts([]byte(all["proc/self/mountinfo"])) }
	c := readCgroups(filesIn(tree(t, v1)), mounts(v1))
	assert.Equal(t, CgroupState{Version: 1, Controllers: []string{"cpuset", "cpu"}, Off: []string{"memory"}, Known: true},
		c)
	v2 := map[string]string{"proc/self/mountinfo": piMounts, "proc/cgroups": v1["proc/cgroups"],
		"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}
	c = readCgroups(filesIn(tree(t, v2)), mounts(v2))
	assert.Equal(t, 2, c.Version)
	assert.True(t, c.Has("memory"), "with version 2 its own file counts")
	c = readCgroups(filesIn(t.TempDir()), nil)
	assert.Equal(t, CgroupState{}, c)
}

func TestNames(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/sys/kernel/hostname": "Banana\n",
		"etc/hosts":                "127.0.0.1\tlocalhost\n127.0.1.1 banana.home BANANA # the board\nnonsense x\n\n::1 ip6-localhost\n",
		"etc/nsswitch.conf":        "passwd: files\nhosts:          files mdns4_minimal [NOTFOUND=return] dns myhostname\n",
		"etc/resolv.conf":          "# by hand\nsearch home\nnameserver 127.0.0.53\nnameserver x\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n",
	})
	n := readNames(filesIn(root), "")
	assert.Equal(t, "Banana", n.Hostname)
	assert.Equal(t, []string{"127.0.1.1"}, n.Hosts["banana"])
	assert.NotContains(t, n.Hosts, "x")
	assert.Equal(t, []string{"files", "mdns4_minimal", "dns", "myhostname"}, n.NSS)
	assert.Equal(t, []string{"127.0.0.53", "fe80::1%eth0", "10.0.0.1"}, n.Servers, "three at most")
	assert.Equal(t, "/etc/resolv.conf", n.ResolvConf)
	n = readNames(filesIn(t.TempDir()), "")
	assert.Equal(t, Names{Hosts: map[string][]string{}, NSS: []string{"files", "dns"}}, n)
}

func TestKernelParts(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("# CONFIG_VXLAN is not " +
		"set\nCONFIG_OVERLAY_FS=m\nCONFIG_MEMCG=y\nCONFIG_HZ=100\nCONFIG_LOCALVERSION=\"y\"\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	root := tree(t, map[string]string{
		"proc/config.gz":                     packed.String(),
		"boot/config-5.10.1":                 "CONFIG_VXLAN=y\n",
		"lib/modules/5.10.1/modules.dep":     "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko\n",
		"lib/modules/5.10.1/modules.builtin": "kernel/net/netfilter/nf-tables.ko\n",
		"proc/modules":                       "vxlan 65536 0 - Live 0x0\nudp_tunnel 20480 1 vxlan, Live 0x0\n",
		"proc/filesystems":                   "nodev\tsysfs\n\text4\n",
	})
	k := readKernelParts(filesIn(root), "5.10.1")
	assert.Equal(t, "/proc/config.gz", k.ConfigFrom)
	assert.Equal(t, map[string]string{"OVERLAY_FS": "m", "MEMCG": "y"}, k.Config)
	assert.True(t, k.Lacks("VXLAN", "X"))
	assert.False(t, k.Lacks("X", "MEMCG"))
	assert.False(t, k.LacksModule("overlay"))
	assert.False(t, k.LacksModule("nf_tables"))
	assert.False(t, k.LacksModule("vxlan"))
	assert.True(t, k.LacksModule("veth"))
	assert.Equal(t, []string{"sysfs", "ext4"}, k.FileSystems)
	assert.True(t, k.Modular)
	assert.False(t, k.Replaced)
	assert.Equal(t, []string{"5.10.1"}, k.Installed)
	other := tree(t, map[string]string{"usr/lib/modules/6.6.2-16k/modules.dep": "kernel/a.ko:\n",
		"usr/lib/modules/6.6.2-16k/config": "CONFIG_ARM64_16K_PAGES=y\n"})
	k = readKernelParts(filesIn(other), "6.6.1-16k")
	assert.True(t, k.Replaced, "there is another kernel's folder only")
	assert.Equal(t, 16<<10, k.PageSize, "by the name")
	k = readKernelParts(filesOf(other), "")
	assert.Equal(t, "6.6.2-16k", k.Release, "the only kernel of a system that does not run")
	assert.Equal(t, "/usr/lib/modules/6.6.2-16k/config", k.ConfigFrom)
	for name, want := range map[string]int{"6.1.0-28-arm64": 0, "6.12.25+rpt-rpi-2712": 16 << 10,
		"6.8.0-45-generic-64k": 64 << 10, "6.11-16k": 16 << 10, "5.15.127-tegra": 0} {
		assert.Equal(t, want, readKernelParts(filesIn(t.TempDir()), name).PageSize, name)
	}
	k = readKernelParts(filesIn(t.TempDir()), "../../x")
	assert.False(t, k.Lacks("VXLAN"), "nothing is known, so nothing is missing")
	assert.False(t, k.LacksModule("veth"))
	assert.Equal(t, "/boot/config-5.10.1", readKernelParts(filesIn(tree(t,
		map[string]string{"boot/config-5.10.1": "CONFIG_VXLAN=y\n"})), "5.10.1").ConfigFrom)
}

const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0
   1: 0200580A:1A2B 0300580A:1A2B 01 00000000:00000000 00:00000000 00000000     0        0 12346 1
   2: zz:1 00000000:0000 0A 0 0 0 0 0 1
`

func TestNetwork(t *testing.T) {
	assert.Equal(t, []Listener{{2375, netip.MustParseAddr("127.0.0.1"), "12345"}}, parseNetTCP([]byte(tcp)))
	six := parseNetTCP([]byte("  sl\n   0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 " +
		"0A 00000000:00000000 00:00000000 00000000     0        0 99 1\n"))
	assert.Equal(t, []Listener{{6443, netip.MustParseAddr("::"), "99"}}, six)

	head := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
	assert.True(t, hasDefaultRoute([]byte(head+"eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")))
	assert.False(t, hasDefaultRoute([]byte(head+"eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")))
	assert.False(t, hasDefaultRoute([]byte(head+"*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n")),
		"unreachable")
	zero := strings.Repeat("0", 32)
	reject := zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n"
	assert.False(t, hasDefaultRoute6([]byte(reject)), "the kernel's own reject route")
	assert.True(t, hasDefaultRoute6([]byte(zero+" 00 "+zero+" 00 fe800000000000000000000000000001 00000400 00000001 "+
		"00000000 00000003     eth0\n")))
}

func TestNoRouteAtAll(t *testing.T) {
	n := readNetwork(filesIn(tree(t, map[string]string{"proc/net/route": ""})))
	assert.True(t, n.Known)
	assert.False(t, n.DefaultRoute)
	assert.False(t, readNetwork(filesIn(t.TempDir())).Known)
}

func TestOwnerOfAPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	for _, l := range readNetwork(filesIn("/")).Listeners {
		if l.Port == port {
			_, pid := l.Owner("/")
			assert.Equal(t, os.Getpid(), pid)
			return
		}
	}
	t.Fatal("the listener is not in /proc/net/tcp")
}

func TestIdentities(t *testing.T) {
	id := "0123456789abcdef0123456789abcde0"
	a := readIdentities(filesIn(tree(t, map[string]string{"etc/machine-id": id + "\n",
		"etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa AAAA root@board\n"})))
	b := readIdentities(filesIn(tree(t, map[string]string{"etc/machine-id": strings.ToUpper(id),
		"etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa AAAB root@other\n"})))
	require.Len(t, a, 2)
	assert.Equal(t, a[0], b[0], "one identifier, one fingerprint")
	assert.NotEqual(t, a[1].Fingerprint, b[1].Fingerprint)
	assert.Len(t, a[0].Fingerprint, 8)
	assert.NotContains(t, id, a[0].Fingerprint)
	for text, want := range map[string]string{"": "empty", "uninitialized\n": "empty", strings.Repeat("0", 32): "default",
		"ffffffff-ffff-ffff-ffff-ffffffffffff": "default", "03000200-0400-0500-0006-000700080009": "default", id: "set"} {
		assert.Equal(t, want, readIdentities(filesIn(tree(t, map[string]string{"etc/machine-id": text})))[0].State, text)
	}
	assert.Equal(t, "missing", readIdentities(filesIn(t.TempDir()))[0].State)
}

func TestRuntimeSockets(t *testing.T) {
	root, err := os.MkdirTemp("", "kd") // a socket's path may have 108 bytes only
	require.NoError(t, err)
	defer os.RemoveAll(root)
	require.NoError(t, os.MkdirAll(root+"/run/containerd", 0o755))
	require.NoError(t, os.MkdirAll(root+"/run/crio", 0o755))
	ln, err := net.Listen("unix", root+"/run/containerd/containerd.sock")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(root+"/run/crio/crio.sock", nil, 0o600))
	r := readRuntime(filesIn(root), "")
	assert.Equal(t, []Socket{{"/run/containerd/containerd.sock", "containerd", true, ""}, {"/run/crio/crio.sock", "CRI-O",
		false, "it is no socket"}}, r.Sockets)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	r = readRuntime(filesIn(root), "")
	assert.Equal(t, "connection refused", r.Sockets[0].Problem)
}

func TestClock(t *testing.T) {
	now := time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC)
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	root := tree(t, map[string]string{"etc/fake-hwclock.data": "x", "etc/kubernetes/pki/ca.crt": "-----BEGIN " +
		"CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
	require.NoError(t, os.Chtimes(root+"/etc/fake-hwclock.data", built.AddDate(0, 0, -9), built.AddDate(0, 0, -9)))
	c := readClock(filesIn(root), now, built, nil, "")
	assert.Equal(t, built, c.Epoch)
	assert.False(t, c.RTC)
	assert.Empty(t, c.Certificates, "half a certificate")
	require.NoError(t, os.Chtimes(root+"/etc/fake-hwclock.data", built.AddDate(0, 0, 9), built.AddDate(0, 0, 9)))
	assert.Contains(t, readClock(filesIn(root), now, built, nil, "").EpochFrom, "fake-hwclock.data")
}

// The firmware's file is not in the same folder on all kernels.
func TestPower(t *testing.T) {
	for _, folder := range []string{"soc/soc:firmware", "soc@7e000000/soc:firmware"} {
		root := tree(t, map[string]string{"sys/devices/platform/" + folder + "/get_throttled": "50005\n"})
		assert.Equal(t, Power{true, true}, readPower(filesIn(root)), folder)
	}
	assert.Equal(t, Power{}, readPower(filesIn(t.TempDir())))
}

// A board that shows nothing at all is no error.
func TestReadHostOfNothing(t *testing.T) {
	h := Read(Options{Root: t.TempDir(), Path: "/bin:relative::", Now: time.Now(), Folders: []string{"/var/lib/etcd"}},
		hwdetect.Kernel{})
	assert.Empty(t, h.Programs)
	assert.Nil(t, h.BootFile)
	assert.Len(t, h.Volumes, 2)
	assert.Zero(t, h.Volumes[1].Size, "the room is this machine's, not a card's")
}

// A FIFO in the place of a file must not make anybody wait.
func TestReadIsNeverStuck(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(root+"/etc", 0o755))
	require.NoError(t, mkfifo(root+"/etc/fstab"))
	done := make(chan struct{})
	go func() { readSwap(filesIn(root), nil); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Hour):
		t.Fatal("reading a FIFO waits")
	}
}

// filesIn looks at a tree of which a test has made only what it needs, as at a
// running system.
func filesIn(root string) files { return files{rootfs.FS{Root: safefile.Root(root)}} }
