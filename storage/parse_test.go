package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// As lsblk of util-linux 2.38 prints it on a board with an SD card and two of a
// RAID's disks, shortened; the sizes of sdb are written as older versions do.
const lsblkText = `{"blockdevices": [
 {"name":"mmcblk0","kname":"mmcblk0","maj:min":"179:0","size":15931539456,"type":"disk","fstype":null,"uuid":null,"label":null,"tran":null,"model":null,"ro":false,
  "children":[{"name":"mmcblk0p2","kname":"mmcblk0p2","maj:min":"179:2","size":15660482560,"type":"part","fstype":"ext4","uuid":"aaaa","label":"rootfs","tran":null,"model":null,"ro":false}]},
 {"name":"sda","kname":"sda","maj:min":"8:0","size":1000204886016,"type":"disk","fstype":"linux_raid_member","uuid":"bbbb","label":"board:0","tran":"usb","model":"Disk A  ","ro":false,
  "children":[{"name":"md0","kname":"md0","maj:min":"9:0","size":4000000000000,"type":"raid5","fstype":"ext4","uuid":"cccc","label":"raid","tran":null,"model":null,"ro":false}]},
 {"name":"sdb","maj:min":"8:16","size":"1000204886016","type":"disk","fstype":"linux_raid_member","uuid":"bbbb","label":"board:0","tran":"usb","model":"Disk B","ro":"0",
  "children":[{"name":"md0","kname":"md0","maj:min":"9:0","size":4000000000000,"type":"raid5","fstype":"ext4","uuid":"cccc","label":"raid","tran":null,"model":null,"ro":false}]},
 {"name":"sdc","kname":"sdc","maj:min":"8:32","size":64000000000,"type":"disk","fstype":"vfat","uuid":"DEAD-BEEF","label":"STICK","tran":"usb","model":"Stick","ro":true},
 {"name":"sr0","kname":"sr0","maj:min":"11:0","size":0,"type":"rom","fstype":null,"uuid":null,"label":null,"tran":"sata","model":null,"ro":true}
]}`

func TestParseLsblk(t *testing.T) {
	disks, err := parseLsblk([]byte(lsblkText))
	require.NoError(t, err)
	by := map[string]Disk{}
	for _, d := range disks {
		by[d.Path] = d
	}
	require.Len(t, disks, 7, "the array comes once")
	root := by["/dev/mmcblk0p2"]
	assert.True(t, root.Card)
	assert.Equal(t, "mmc", root.Transport)
	array := by["/dev/md0"]
	assert.True(t, array.Array)
	assert.Empty(t, array.Transport)
	assert.Equal(t, []string{"/dev/sda", "/dev/sdb"}, array.tops)
	assert.Equal(t, number(9, 0), array.number)
	assert.Equal(t, int64(1000204886016), by["/dev/sdb"].Bytes)
	assert.Equal(t, "Disk A", by["/dev/sda"].Model)
	for path, want := range map[string]string{
		"/dev/mmcblk0":   "is on the disk that the board runs from",
		"/dev/mmcblk0p2": "is on the disk that the board runs from",
		"/dev/sda":       "is a member of an md array",
		"/dev/sdc":       "has vfat on it",
		"/dev/sr0":       "has no medium",
	} {
		assert.Contains(t, by[path].unsuitable(root.tops), want, path)
	}
	assert.Empty(t, array.unsuitable(root.tops))
	for _, bad := range []string{"", "[]", `{"blockdevices":[{"name":"a","maj:min":"x"}]}`, `{"blockdevices":[{"name":"a","maj:min":"1:2","size":"many"}]}`} {
		_, err := parseLsblk([]byte(bad))
		assert.ErrorContains(t, err, "parse lsblk's output", bad)
	}
}

func FuzzParseLsblk(f *testing.F) {
	f.Add([]byte(lsblkText))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseLsblk(text) })
}

func TestParseBlkid(t *testing.T) {
	text := `ID_FS_LABEL=My_Disk
ID_FS_LABEL_ENC=My\x20Disk
ID_FS_UUID=1-2
ID_FS_UUID_ENC=1-2
ID_FS_TYPE=ext4
other
`
	assert.Equal(t, map[string]string{"LABEL": "My Disk", "UUID": "1-2", "TYPE": "ext4"}, parseBlkid([]byte(text)))
	assert.Equal(t, "a\\xzz\\x4", unhex("a\\xzz\\x4"))
}

func TestUnitFiles(t *testing.T) {
	all, err := unitFiles("/usr/local/bin/kubeadm-arm", "/mnt/root", []string{"/var/lib/etcd", "/var/lib/docker"})
	require.NoError(t, err)
	require.Len(t, all, 2, "containerd's folder stays, so containerd waits for nothing")
	assert.Equal(t, `# Written by kubeadm-arm storage apply; kubeadm-arm storage undo takes it away.
[Unit]
Wants=mnt-root.mount var-lib-docker.mount
After=mnt-root.mount var-lib-docker.mount
StartLimitIntervalSec=0

[Service]
ExecStartPre=/usr/local/bin/kubeadm-arm storage guard /var/lib/docker
`, all["/etc/systemd/system/docker.service.d/20-kubeadm-arm-storage.conf"])
	kubelet := all["/etc/systemd/system/kubelet.service.d/20-kubeadm-arm-storage.conf"]
	assert.Contains(t, kubelet, "Wants=mnt-root.mount var-lib-etcd.mount var-lib-docker.mount\n")
	assert.Contains(t, kubelet, `ExecStartPre=/usr/local/bin/kubeadm-arm storage guard`+"\n")

	all, err = unitFiles("/usr/local/bin/kubeadm-arm", "/mnt/root", []string{`/var/lib/docker/my data%n$HOME"\;`})
	require.NoError(t, err)
	docker := all["/etc/systemd/system/docker.service.d/20-kubeadm-arm-storage.conf"]
	assert.Contains(t, docker, `guard "/var/lib/docker/my data%%n$$HOME\"\\;"`)
	assert.Contains(t, docker, `var-lib-docker-my\x20data\x25n\x24HOME\x22\x5c\x3b.mount`)
	_, err = unitFiles("/opt/a'b", "/mnt/root", []string{"/var/lib/etcd"})
	require.ErrorContains(t, err, "cannot stand in a unit")
}

func TestBlock(t *testing.T) {
	j := &journal{UUID: "1", FSType: "xfs", Mount: "/mnt/a,b", Folders: []*folder{{Path: "/var/lib/etcd"}}}
	assert.Equal(t, []string{
		"UUID=1 /mnt/a,b xfs defaults,noatime,nofail,x-systemd.device-timeout=60s 0 0",
		"/mnt/a,b/var/lib/etcd /var/lib/etcd none bind,nofail 0 0",
	}, j.block(), "a comma would end the option")
	j.Mount, j.OwnersLine = "/mnt/root", true
	assert.Equal(t, []string{
		"/mnt/root/var/lib/etcd /var/lib/etcd none bind,nofail,x-systemd.requires-mounts-for=/mnt/root 0 0",
	}, j.block())
	for _, e := range j.reasons() {
		assert.NotEmpty(t, e.Reason)
		assert.Contains(t, strings.Join(j.block(), "\n"), strings.TrimSuffix(e.Option, "="))
	}
}

// A disk that does not answer in time has not nothing on it.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	b := Board{DeviceWait: time.Nanosecond, Run: func(ctx context.Context, name string, _ ...string) ([]byte, error) {
		if name == "lsblk" {
			return []byte(`{"blockdevices": [{"name": "sda", "kname": "sda", "maj:min": "8:0", "size": 9, "type": "disk"}]}`), nil
		}
		<-ctx.Done()
		return nil, errors.New("signal: killed")
	}}
	_, err := b.Disks(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "/dev/sda")
}

// A btrfs on several disks is one file system; a clone of one of its disks is none of it.
func TestBtrfsOnSeveralDisks(t *testing.T) {
	const list = `{"blockdevices": [
		{"name": "sda", "kname": "sda", "maj:min": "8:0", "size": 1000000000, "type": "disk", "fstype": "btrfs", "uuid": "f"},
		{"name": "sdb", "kname": "sdb", "maj:min": "8:16", "size": 1000000000, "type": "disk", "fstype": "btrfs", "uuid": "f"},
		{"name": "sdc", "kname": "sdc", "maj:min": "8:32", "size": 1000000000, "type": "disk", "fstype": "xfs", "uuid": "x"}]}`
	own := map[string]string{"/dev/sda": "one", "/dev/sdb": "two"}
	b := Board{Run: func(_ context.Context, name string, args ...string) ([]byte, error) {
		if name == "lsblk" {
			return []byte(list), nil
		}
		return []byte("ID_FS_TYPE=btrfs\nID_FS_UUID=f\nID_FS_UUID_SUB=" + own[args[len(args)-1]] + "\n"), nil
	}}
	choose := func(device string) (string, *RefusedError) {
		disks, err := b.Disks(t.Context())
		require.NoError(t, err)
		var p Plan
		err = p.chooseDisk(Request{Device: device}, &journal{}, disks, nil)
		var refused *RefusedError
		if err != nil {
			require.ErrorAs(t, err, &refused)
		}
		return p.Disk.Path, refused
	}
	for _, name := range []string{"UUID=f", "UUID=F"} {
		path, refused := choose(name)
		assert.Nil(t, refused)
		assert.Equal(t, "/dev/sda", path)
	}
	disks, err := b.Disks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "is a part of the btrfs on /dev/sda; choose that", disks[1].Unsuitable)
	assert.Equal(t, []string{"/dev/sdb"}, disks[0].others)
	device, err := findDisk(disks, &journal{UUID: "f"})
	require.NoError(t, err)
	assert.Equal(t, "/dev/sda", device)

	disks[0].MountedAt, disks[1].MountedAt = nil, []string{"/mnt/root"}
	disks[0].others, disks[1].partOf = nil, ""
	joinBtrfs(disks)
	assert.Equal(t, "/dev/sdb", disks[0].partOf, "the kernel names the other one")

	for _, sub := range []string{"one", ""} {
		own["/dev/sdb"] = sub
		_, refused := choose("UUID=f")
		require.NotNil(t, refused)
		assert.ErrorContains(t, refused, "2 disks have it: /dev/sda and /dev/sdb")
		assert.Contains(t, refused.Hint(), "(btrfstune -u DEVICE)")
	}
	for kind, command := range map[string]string{"ext4": "tune2fs -U random", "xfs": "xfs_admin -U generate", "f2fs": ""} {
		hint := ambiguous("", []Disk{{FSType: kind}}).Hint()
		assert.Contains(t, hint, command)
		assert.Equal(t, command != "", strings.Contains(hint, "another UUID"), kind)
	}
}
