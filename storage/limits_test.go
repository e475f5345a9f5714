package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// Ctrl-C while a copy is proved: all is as it was, and nothing is kept of the copy.
func TestCtrlCWhileACopyIsProved(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	require.NoError(t, os.Truncate("/var/lib/etcd"+etcdDB, 1<<40))
	ctx, cancel := context.WithCancel(t.Context())
	b.FS = durable.FS{Hook: func(c durable.Change) error {
		if c.Op == "copy" && c.Done {
			cancel()
		}
		return nil
	}}
	_, err := b.Apply(ctx, w)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, ownersFstab, readFile(t, fstabPath))
	assert.NoFileExists(t, journalPath)
	info, err := os.Stat("/var/lib/etcd" + etcdDB)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<40, info.Size())
}

// A disk that has become read-only, as after an error, is not in the way of undo.
func TestUndoOfAReadOnlyDisk(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/var/lib/etcd/newer", []byte("x"), 0o600))
	s.sh("mount", "-o", "remount,ro", "/mnt/root")
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, ownersFstab, readFile(t, fstabPath))
	assert.Equal(t, "x", readFile(t, "/var/lib/etcd/newer"))
	j, err := readJournal()
	require.NoError(t, err)
	assert.Empty(t, j.UUID)
	require.Len(t, j.Kept, 2, "that of before apply, and the disk's")
	assert.Equal(t, "/mnt/root/var/lib/etcd", j.Kept[1].Path)
}

// An undo that fails once fstab is its owner's again is finished by undo, and does
// not mount the disk's folder over the data that is back.
func TestUndoFailsAtTheEnd(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/var/lib/etcd/newer", []byte("x"), 0o600))
	failing := b
	failing.FS = durable.FS{Hook: func(c durable.Change) error {
		if !c.Done && strings.HasPrefix(c.Path, "/mnt/root/var/lib/etcd") && (c.Op == "remove" || c.Op == "rename") {
			return os.ErrPermission
		}
		return nil
	}}
	require.Error(t, failing.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, ownersFstab, readFile(t, fstabPath))
	m, err := readMounts()
	require.NoError(t, err)
	assert.Nil(t, m.at("/var/lib/etcd"))
	require.Error(t, b.Guard(t.Context(), nil), "nothing starts until it is finished")
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, "x", readFile(t, "/var/lib/etcd/newer"))
	j, err := readJournal()
	require.NoError(t, err)
	assert.Empty(t, j.UUID)
}

// Of two disks with one UUID neither is given up as gone.
func TestTwinsAreNotGone(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	s.sh("umount", "/var/lib/etcd")
	s.sh("umount", "/mnt/root")
	s.sh("cp", "--sparse=always", filepath.Join(s.dir, "disk"), filepath.Join(s.dir, "clone"))
	s.loop("clone")
	require.ErrorContains(t, b.Undo(t.Context(), UndoOptions{WithoutDisk: true}), "2 disks have it: ")
	assert.FileExists(t, journalPath)
}

// A comment that the owner wrote between our lines of fstab is the owner's.
func TestCommentsBetweenOurLines(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	text := strings.Replace(readFile(t, fstabPath), fstab.End, "# LABEL=nas /home ext4\n"+fstab.End, 1)
	require.NoError(t, os.WriteFile(fstabPath, []byte(text), 0o644))
	require.ErrorContains(t, b.Undo(t.Context(), UndoOptions{}), "# LABEL=nas /home ext4")
	assert.Equal(t, text, readFile(t, fstabPath))
}

// A name that leaves no room for those of its copies is refused before anything.
func TestLongNames(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	for _, name := range []string{strings.Repeat("a", 250), strings.Repeat("a-", 70)} {
		w.Folders = []string{filepath.Join("/var/lib", name)}
		require.NoError(t, os.Mkdir(w.Folders[0], 0o755))
		_, err := b.Apply(t.Context(), w)
		require.ErrorContains(t, err, "has a name too long")
		assert.NoFileExists(t, journalPath)
	}
}
