package storage

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// Ctrl-C while copies lie in their places: no terabyte is compared to put things in
// order. Undo then leaves the data where it was, apply is taken back by undo.
func TestCtrlCWhileAllIsInPlace(t *testing.T) {
	if !onStage(t) {
		return
	}
	const copies = "/var/lib/.kubeadm-arm-back-etcd"
	for verb, c := range map[string]struct{ at, one, other string }{
		"apply": {`"state": "placed"`, "/var/lib/etcd", "/mnt/root/var/lib/etcd"},
		"undo":  {`"state": "returned"`, copies, "/mnt/root/var/lib/etcd"},
	} {
		s, b, w := ready(t)
		b.Grace = 1
		if verb == "undo" {
			_, err := b.Apply(t.Context(), w)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile("/var/lib/etcd/newer", nil, 0o600))
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.FS = durable.FS{Hook: func(change durable.Change) error {
			text, _ := os.ReadFile(journalPath)
			if change.Path == journalPath && change.Done && ctx.Err() == nil && strings.Contains(string(text), c.at) {
				cancel()
				// Both, so that the copies are equal still.
				require.NoError(t, os.Truncate(c.one+etcdDB, 1<<40))
				require.NoError(t, os.Truncate(c.other+etcdDB, 1<<40))
			}
			return nil
		}}
		var err error
		if verb == "apply" {
			_, err = b.Apply(ctx, w)
		} else {
			err = b.Undo(ctx, UndoOptions{})
		}
		require.ErrorIs(t, err, context.Canceled, verb)
		info, err := os.Stat("/var/lib/etcd" + etcdDB)
		require.NoError(t, err)
		assert.EqualValues(t, 1<<40, info.Size(), verb)
		s.clear()
	}
}

// A clone that systemd has mounted in the disk's place is none, and a disk whose
// hardware was replaced is one.
func TestCloneInPlace(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	inPlace := func(device string) {
		for _, at := range []string{"/var/lib/etcd", "/mnt/root"} {
			s.sh("umount", at)
		}
		s.sh("mount", device, "/mnt/root")
		s.sh("mount", "--bind", "/mnt/root/var/lib/etcd", "/var/lib/etcd")
	}
	s.sh("sync", "--file-system", "/mnt/root")
	s.sh("cp", "--sparse=always", filepath.Join(s.dir, "disk"), filepath.Join(s.dir, "clone"))
	clone := s.loop("clone")
	inPlace(clone)
	for name, run := range map[string]func() error{
		"guard":             func() error { return b.Guard(t.Context(), nil) },
		"undo":              func() error { return b.Undo(t.Context(), UndoOptions{}) },
		"undo without disk": func() error { return b.Undo(t.Context(), UndoOptions{WithoutDisk: true}) },
		"apply":             func() error { _, err := b.Apply(t.Context(), Request{}); return err },
	} {
		require.ErrorContains(t, run(), clone+" is a copy of the disk that was set up, which is "+s.disk, name)
	}
	status, err := b.ReadStatus(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, status.Findings)
	assert.Equal(t, "problem", status.Findings[0].Level)
	// The right one, under whatever device name.
	inPlace(s.disk)
	require.NoError(t, b.Guard(t.Context(), nil))
	status, err = b.ReadStatus(t.Context())
	require.NoError(t, err)
	require.Len(t, status.Findings, 1)
	assert.Contains(t, status.Findings[0].Text, "2 disks have UUID=")
	// Alone, the copy is what the disk was replaced by.
	inPlace(clone)
	s.sh("losetup", "-d", s.disk)
	require.NoError(t, b.Guard(t.Context(), nil))
	status, err = b.ReadStatus(t.Context())
	require.NoError(t, err)
	require.Len(t, status.Findings, 1)
	assert.Contains(t, status.Findings[0].Text, "is another device than the one that was set up")
	_, err = b.Apply(t.Context(), Request{})
	require.NoError(t, err)
	status, err = b.ReadStatus(t.Context())
	require.NoError(t, err)
	assert.Empty(t, status.Findings)
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
}

// A member of an array that was replaced does not make another device of it.
func TestAnotherDevice(t *testing.T) {
	j := &journal{Hardware: []string{"STICK7 partition 2", "naa.5002538e40a1b2c3"}}
	assert.False(t, j.anotherDevice([]string{"new", "naa.5002538e40a1b2c3"}), "one member was replaced")
	assert.True(t, j.anotherDevice([]string{"STICK7"}), "another partition of it")
	assert.False(t, j.anotherDevice(nil))
	assert.False(t, (&journal{}).anotherDevice([]string{"any"}), "an old journal")
}

// A kept copy whose file system is not mounted is not gone.
func TestCleanOfWhatIsNotMounted(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	require.NoError(t, os.MkdirAll("/var/lib/volume", 0o755))
	s.image("volume", "16M")
	volume := s.loop("volume")
	s.sh("mount", volume, "/var/lib/volume")
	require.NoError(t, os.Mkdir("/var/lib/volume/data", 0o755))
	require.NoError(t, os.WriteFile("/var/lib/volume/data/x", []byte("x"), 0o600))
	w.Folders = []string{"/var/lib/volume/data"}
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	j, err := readJournal()
	require.NoError(t, err)
	require.Len(t, j.Kept, 1)
	require.NoError(t, os.WriteFile("/var/lib/volume/data/x", []byte("newer"), 0o600))
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	s.sh("umount", "/var/lib/volume")
	did, err := b.Clean(t.Context(), nil)
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Hint(), "kubeadm-arm storage clean '"+j.Kept[0].Path+"'")
	assert.Empty(t, did.Removed)
	require.Len(t, did.Left, 1)
	assert.Contains(t, did.Left[0], "its file system is not mounted")
	// A set-up in between does not forget it either.
	_, err = b.Apply(t.Context(), Request{Device: s.device(), Folders: []string{"/var/lib/etcd"}})
	require.NoError(t, err)
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	s.sh("mount", volume, "/var/lib/volume")
	again, err := readJournal()
	require.NoError(t, err)
	paths := []string{}
	for _, k := range again.Kept {
		paths = append(paths, k.Path)
	}
	assert.Contains(t, paths, j.Kept[0].Path)
	did, err = b.Clean(t.Context(), []string{j.Kept[0].Path})
	require.NoError(t, err)
	assert.Equal(t, Cleaned{Removed: []string{j.Kept[0].Path}}, did)
}

// What a journal from elsewhere names is neither removed nor run, and gets into no file.
func TestJournalNamesOnlyItsOwn(t *testing.T) {
	const good = `{"version":2,"uuid":"11","mount":"/mnt/root","fsType":"ext4"}`
	_, err := parseJournal([]byte(good))
	require.NoError(t, err)
	for field, value := range map[string]string{
		"uuid": `"1\n/dev/sdz / ext4 defaults 0 0"`, "fsType": `"ext4 defaults 0 0\n/dev/sdz"`, "mount": `"/mnt/a\nb"`,
		"fstabBackup": `"/etc/shadow"`, "stopped": `["--root=/srv"]`, "made": `["../etc"]`,
		"folders": `[{"path":"/var/lib/a\nb","state":"planned","names":{"copy":"/c","guard":"/g","back":"/b","before":"/o"}}]`,
	} {
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(good), &all))
		all[field] = json.RawMessage(value)
		text, err := json.Marshal(all)
		require.NoError(t, err)
		_, err = parseJournal(text)
		require.ErrorContains(t, err, field)
	}
}

// A link or a mount on the disk would lead the data away from it.
func TestLinksOnTheDisk(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	require.NoError(t, os.Mkdir("/var/lib/elsewhere", 0o755))
	before := listing(t)
	for name, lead := range map[string]func(){
		"link above": func() { require.NoError(t, os.Symlink("/var/lib/elsewhere", "/mnt/root/var")) },
		"link at the place": func() {
			require.NoError(t, os.MkdirAll("/mnt/root/var/lib", 0o755))
			require.NoError(t, os.Symlink("/var/lib/elsewhere", "/mnt/root/var/lib/etcd"))
		},
		"mount above": func() {
			require.NoError(t, os.MkdirAll("/mnt/root/var", 0o755))
			s.sh("mount", "--bind", "/var/lib/elsewhere", "/mnt/root/var")
		},
	} {
		for _, mounted := range []bool{true, false} {
			if name == "mount above" && !mounted {
				continue
			}
			require.NoError(t, os.MkdirAll("/mnt/root", 0o755))
			s.sh("mount", s.disk, "/mnt/root")
			lead()
			if !mounted {
				s.sh("umount", "/mnt/root")
				require.NoError(t, os.Remove("/mnt/root"))
			}
			_, err := b.Apply(t.Context(), w)
			require.ErrorContains(t, err, "/mnt/root/var", name)
			assert.NoFileExists(t, journalPath, name)
			if !mounted {
				require.NoError(t, os.MkdirAll("/mnt/root", 0o755))
				s.sh("mount", s.disk, "/mnt/root")
			}
			if name == "mount above" {
				s.sh("umount", "/mnt/root/var")
			}
			require.NoError(t, os.RemoveAll("/mnt/root/var"))
			s.sh("umount", "/mnt/root")
			require.NoError(t, os.Remove("/mnt/root"))
			assert.Equal(t, before, listing(t), name)
		}
	}
}
