package storage

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mountTableOf(t *testing.T, text string) mounts {
	t.Helper()
	all, err := mountinfo.GetMountsFromReader(strings.NewReader(text), nil)
	require.NoError(t, err)
	return all
}

// A folder of a disk that is bound elsewhere is the disk's, an automount that nobody
// has used is no mount, and a subvolume of btrfs is one.
func TestMountsOfADisk(t *testing.T) {
	m := mountTableOf(t, `21 1 179:2 / / rw - ext4 none rw
30 21 8:1 / /srv/disk rw - ext4 none rw
31 21 8:1 /data /export/data rw - ext4 none rw
32 21 8:1 / /mnt/again rw - ext4 none rw
40 21 0:50 / /srv/ssd rw - autofs systemd-1 rw,direct
41 21 0:51 / /srv/used rw - autofs systemd-1 rw
42 41 8:17 / /srv/used rw - ext4 none rw
50 21 8:33 /@ /a rw - btrfs none rw
51 21 8:33 /@home /b rw - btrfs none rw
52 21 8:33 /@/x /c rw - btrfs none rw
60 21 8:49 /only /d rw - ext4 none rw
`)
	assert.Equal(t, []string{"/srv/disk", "/mnt/again"}, m.of(number(8, 1)))
	assert.Equal(t, "/srv/disk", m.whole(m.at("/export/data")).Mountpoint)
	assert.Equal(t, "/mnt/again", m.whole(m.at("/mnt/again")).Mountpoint)
	assert.Nil(t, m.at("/srv/ssd"))
	assert.True(t, m.automount("/srv/ssd"))
	assert.Equal(t, []string{"/srv/used"}, m.of(number(8, 17)))
	assert.Equal(t, []string{"/a", "/b"}, m.of(number(8, 33)))
	assert.Equal(t, []string{"/d"}, m.of(number(8, 49)))
}

// fstab names a disk in many ways.
func TestFstabNamesADisk(t *testing.T) {
	d := Disk{Path: "/dev/sda1", UUID: "1111-Ab", Label: "My Disk", partUUID: "0badcafe-01", number: number(8, 1)}
	for line, want := range map[string]bool{
		"UUID=1111-aB /srv/ssd ext4 x-systemd.automount 0 2": true, `UUID="1111-Ab" /srv/ssd ext4`: true, `LABEL=My\040Disk /a auto`: true, "PARTUUID=0BADCAFE-01 /a ext4": true, "/dev/sda1 /a ext4": true, "/dev/disk/by-uuid/1111-Ab /a ext4": true, `/dev/disk/by-label/My\x20Disk /a ext4`: true, "/dev/disk/by-partuuid/0badcafe-01 /a ext4": true, "/dev/disk/by-id/usb-1 /a ext4": false,
		"UUID=2 /a ext4": false, "LABEL= /a ext4": false, "UUID= /a ext4": false, "/dev/sda1 none swap": false, "/srv/ssd/x /a none bind": false, "/dev/sda1 /a none rw,bind": false, "PARTLABEL=x /a ext4": false, "tmpfs /a tmpfs": false,
	} {
		lines := fstab.Parse([]byte(line))
		require.Len(t, lines, 1)
		assert.Equal(t, want, mountsDisk(lines[0], d), line)
	}
	two := fstab.Parse([]byte("UUID=1111-Ab /a ext4\nUUID=1111-Ab /b ext4\n"))
	l, _ := lineOf(two, d)
	assert.Equal(t, "/a", l.File)
	d.MountedAt = []string{"/b"}
	l, _ = lineOf(two, d)
	assert.Equal(t, "/b", l.File, "of two lines the one that is in use")
}

// TestOwnersDisk: a disk that the owner mounts is used where he mounts it, by whatever
// name it is asked for, and no advice leads in a circle.
func TestOwnersDisk(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.image("disk", "16M", "-L", "My "+s.label()[:10])
	s.up()
	s.populate()
	ctx, b := context.Background(), testBoard()
	label := "LABEL=My " + s.label()[:10]
	p, err := b.Decide(ctx, Request{Device: label})
	require.NoError(t, err, "a label with a blank")
	assert.Equal(t, DefaultMount, p.Mount)
	uuid := "UUID=" + p.Disk.UUID
	decide := func(device string) (Plan, error) { return b.Decide(ctx, Request{Device: device}) }
	refused := func(device, says, hint string) {
		t.Helper()
		_, err := decide(device)
		var r *RefusedError
		require.ErrorAs(t, err, &r, device)
		assert.Contains(t, r.Error(), says, device)
		assert.Contains(t, r.Hint(), hint, device)
	}
	fstab := func(lines ...string) {
		require.NoError(t, os.WriteFile(fstabPath, []byte(ownersFstab+strings.Join(lines, "\n")+"\n"), 0o644))
	}

	// Not mounted, whatever its name in fstab.
	require.NoError(t, os.MkdirAll("/mnt/the ssd", 0o755))
	escaped := strings.ReplaceAll(label, " ", `\040`)
	for _, spec := range []string{uuid, escaped, s.disk} {
		fstab(spec + ` /mnt/the\040ssd ext4 defaults,nofail,x-systemd.automount 0 2`)
		for _, device := range []string{uuid, label, s.disk, "/mnt/the ssd"} {
			refused(device, "line 5 of /etc/fstab mounts UUID=", "mount it, then repeat: mount '/mnt/the ssd'")
		}
	}
	// The hint is followed.
	s.sh("mount", s.disk, "/mnt/the ssd")
	for _, device := range []string{uuid, label, s.disk, "/mnt/the ssd"} {
		p, err := decide(device)
		require.NoError(t, err, device)
		assert.Equal(t, "/mnt/the ssd", p.Mount)
	}
	_, err = b.Decide(ctx, Request{Device: uuid, Mount: "/mnt/other"})
	require.ErrorContains(t, err, "is mounted at /mnt/the ssd already")

	// A folder of it is bound elsewhere, as OpenMediaVault does.
	require.NoError(t, os.MkdirAll("/mnt/the ssd/data", 0o755))
	require.NoError(t, os.MkdirAll("/mnt/export/data", 0o755))
	s.sh("mount", "--bind", "/mnt/the ssd/data", "/mnt/export/data")
	fstab(uuid+` /mnt/the\040ssd ext4 defaults,nofail 0 2`, `/mnt/the\040ssd/data /mnt/export/data none bind,nofail 0 0`)
	for _, device := range []string{uuid, label, s.disk, "/mnt/the ssd", "/mnt/export/data"} {
		p, err := decide(device)
		require.NoError(t, err, device)
		assert.Equal(t, "/mnt/the ssd", p.Mount, device)
	}
	// It is mounted twice: the place that was named, else fstab's.
	require.NoError(t, os.MkdirAll("/mnt/again", 0o755))
	s.sh("mount", s.disk, "/mnt/again")
	p, err = decide(uuid)
	require.NoError(t, err)
	assert.Equal(t, "/mnt/the ssd", p.Mount)
	refused("/mnt/again", "mounts UUID="+p.Disk.UUID+" at /mnt/the ssd, not at /mnt/again", "'/mnt/the ssd'")
	fstab()
	for _, place := range []string{"/mnt/the ssd", "/mnt/again"} {
		p, err = decide(place)
		require.NoError(t, err, place)
		assert.Equal(t, place, p.Mount)
	}
	refused(uuid, "is mounted at /mnt/the ssd already", "storage plan '/mnt/the ssd'")
}

// TestOldLsblk: the columns that are asked for are those of util-linux 2.27.
func TestOldLsblk(t *testing.T) {
	old := strings.Fields("NAME KNAME MAJ:MIN FSTYPE MOUNTPOINT LABEL UUID PARTLABEL PARTUUID " +
		"RO RM MODEL SERIAL SIZE STATE TYPE TRAN VENDOR")
	b := testBoard()
	b.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name == "lsblk" {
			for _, column := range strings.Split(args[len(args)-1], ",") {
				if !assert.Contains(t, old, column) {
					return nil, errors.New("unknown column")
				}
			}
			// As 2.31 writes it: all values are strings, and some characters no JSON.
			return []byte(`{"blockdevices": [{"name": "sda", "kname": "sda", "maj:min": "8:0", "size": "8000", "type": "disk", "fstype": "ext4", "uuid": "1", "label": "My \x22Disk\x22 \xc3\xa4", "partuuid": null, "tran": "usb", "model": "A\x26B  ", "ro": "0"},
				{"name": "vg-data", "kname": "dm-0", "maj:min": "253:0", "size": "8000", "type": "lvm", "fstype": "ext4", "uuid": "2", "label": null, "partuuid": null, "tran": null, "model": null, "ro": "0"},
				{"name": "cciss!c0d0", "kname": "cciss!c0d0", "maj:min": "104:0", "size": "8000", "type": "disk", "fstype": "ext4", "uuid": "3", "label": null, "partuuid": null, "tran": null, "model": null, "ro": "0"}]}`), nil
		}
		return nil, errors.New("not here")
	}
	disks, err := b.Disks(context.Background())
	require.NoError(t, err)
	require.Len(t, disks, 3)
	assert.Equal(t, `My "Disk" ä`, disks[0].Label)
	assert.Equal(t, "A&B", disks[0].Model)
	assert.Equal(t, "/dev/mapper/vg-data", disks[1].Path)
	assert.Equal(t, "/dev/cciss/c0d0", disks[2].Path)
}
