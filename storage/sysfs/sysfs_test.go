package sysfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A degraded RAID 5 as the kernel shows it, a partition of it, and LVM upon it.
func TestReadArrays(t *testing.T) {
	sys := t.TempDir()
	md := filepath.Join(sys, "devices/virtual/block/md0")
	for file, text := range map[string]string{
		"md/level": "raid5", "md/raid_disks": "5", "md/degraded": "1",
		"md/array_state": "clean", "md/sync_action": "recover",
		"md0p1/partition": "1",
	} {
		path := filepath.Join(md, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o644))
	}
	class := filepath.Join(sys, "class/block")
	require.NoError(t, os.MkdirAll(class, 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(sys, "devices/virtual/block/dm-0/slaves"), 0o755))
	for name, to := range map[string]string{
		"class/block/md0":                       md,
		"class/block/md0p1":                     md + "/md0p1",
		"class/block/dm-0":                      filepath.Join(sys, "devices/virtual/block/dm-0"),
		"devices/virtual/block/dm-0/slaves/md0": md,
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(sys, name)))
	}
	for _, name := range []string{"md0", "md0p1", "dm-0"} {
		arrays := Arrays(sys, name)
		require.Len(t, arrays, 1, name)
		want := Array{Name: "md0", Level: "raid5", Disks: 5, Missing: 1, State: "clean", Action: "recover"}
		assert.Equal(t, want, arrays[0])
		assert.Equal(t, "md0, raid5, 4 of 5 disks, clean, recover", arrays[0].String())
	}
	assert.Empty(t, Arrays(sys, "sda"))
}

// The numbers of makers in /sys, of each kind of disk.
func TestHardwareIDs(t *testing.T) {
	sys := t.TempDir()
	device := func(path string, files ...string) {
		dir := filepath.Join(sys, "devices", path)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for i := 0; i < len(files); i += 2 {
			at := filepath.Join(dir, files[i])
			require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
			require.NoError(t, os.WriteFile(at, []byte(files[i+1]+"\n"), 0o644))
		}
		class := filepath.Join(sys, "class/block")
		require.NoError(t, os.MkdirAll(class, 0o755))
		require.NoError(t, os.Symlink(dir, filepath.Join(class, filepath.Base(path))))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(sys, "devices/usb1/1-1"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(sys, "devices/usb1/1-1/idVendor"), []byte("1234\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(sys, "devices/usb1/1-1/serial"), []byte("STICK7\n"), 0o644))
	device("usb1/1-1/block/sda")
	device("usb1/1-1/block/sda/sda2", "partition", "2")
	device("ata1/block/sdb", "device/wwid", "naa.5002538e40a1b2c3")
	device("nvme/nvme0n1", "wwid", "eui.0025385b71b0f9a1")
	device("mmc/mmcblk0", "device/cid", "1b534d30303030301017b2c3d4014a00", "device/serial", "0x17b2c3d4")
	device("virtual/loop0", "loop/backing_file", "/srv/disk.img")
	device("virtio/vdb", "serial", "0000")
	device("virtual/md0")
	require.NoError(t, os.MkdirAll(filepath.Join(sys, "devices/virtual/md0/slaves/sda2"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(sys, "devices/virtual/md0/slaves/sdb"), 0o755))
	for name, want := range map[string][]string{
		"sda": {"STICK7"}, "sda2": {"STICK7 partition 2"}, "sdb": {"naa.5002538e40a1b2c3"}, "nvme0n1": {"eui.0025385b71b0f9a1"},
		"mmcblk0": {"1b534d30303030301017b2c3d4014a00"}, "loop0": {"/srv/disk.img"}, "vdb": nil, "no-such-disk": nil,
		"md0": {"STICK7 partition 2", "naa.5002538e40a1b2c3"},
	} {
		assert.Equal(t, want, HardwareIDs(sys, name), name)
	}
}
