package storage

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// Something mounts the folder again as soon as it is unmounted, as an automounter
// does: one folder under two names is no second copy.
func TestMountedAgainMeanwhile(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	data := snapshots(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	b.FS.Hook = func(c durable.Change) error {
		if c.Op == "umount" && c.Path == "/var/lib/etcd" && c.Done {
			s.sh("mount", "--bind", "/mnt/root/var/lib/etcd", "/var/lib/etcd")
		}
		return nil
	}
	err = b.Undo(t.Context(), UndoOptions{})
	require.ErrorContains(t, err, "are one and the same folder")
	b.FS.Hook = nil
	_, err = b.Clean(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, data, snapshots(t))
}

// A journal from elsewhere that calls the data itself a copy.
func TestKeptIsTheDataItself(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, _ := ready(t)
	data := snapshots(t)
	require.NoError(t, os.MkdirAll(stateFolder, 0o755))
	require.NoError(t, os.Mkdir("/var/lib/alias", 0o755))
	defer os.Remove("/var/lib/alias")
	require.NoError(t, unix.Mount("/var/lib/etcd", "/var/lib/alias", "", unix.MS_BIND, ""))
	defer func() { _ = unix.Unmount("/var/lib/alias", 0) }()
	for _, k := range []kept{
		{Path: "/var/lib/etcd", Of: "/var/lib/etcd"}, {Path: "/var/lib/etcd/member", Of: "/var/lib/etcd"},
		{Path: "/var/lib", Of: "/var/lib/etcd"}, {Path: "/var/lib/alias", Of: "/var/lib/etcd"}, {Path: "/var/lib/etcd"},
	} {
		for _, only := range [][]string{nil, {k.Path}} {
			require.NoError(t, b.save(&journal{Version: journalVersion, Kept: []kept{k}}))
			did, _ := b.Clean(t.Context(), only)
			assert.Empty(t, did.Removed, k)
			assert.Equal(t, data, snapshots(t), k)
		}
	}
}

// What cannot be removed is kept, and the undo ends.
func TestImmutableInTheCopy(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	data := snapshots(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	_, err = b.protect("/mnt/root/var/lib/etcd/member/wal")
	require.NoError(t, err)
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, data, snapshots(t))
	j, err := readJournal()
	require.NoError(t, err)
	require.Len(t, j.Kept, 1)
	assert.Contains(t, j.Kept[0].Why, "it cannot be removed")
}

// Files that are something else than they should be end in an error, not in a hang.
func TestStrangeFiles(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	require.NoError(t, os.MkdirAll(stateFolder, 0o755))
	for name, path := range map[string]string{"journal": journalPath, "fstab": fstabPath} {
		for kind, make := range map[string]func() error{
			"a FIFO":         func() error { return unix.Mkfifo(path, 0o600) },
			"an endless one": func() error { return os.Symlink("/dev/zero", path) },
			"a large one":    func() error { return errorsOf(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
			"a loop":         func() error { return os.Symlink(path, path) },
			"a folder":       func() error { return os.Mkdir(path, 0o700) },
		} {
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, make(), kind)
			_, err := b.Apply(t.Context(), w)
			assert.Error(t, err, "%s: %s", name, kind)
			assert.Error(t, b.Undo(t.Context(), UndoOptions{}), "%s: %s", name, kind)
			assert.Error(t, b.Guard(t.Context(), nil), "%s: %s", name, kind)
		}
		require.NoError(t, os.RemoveAll(path))
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// Others could exchange what is in a folder of theirs.
func TestFolderOfOthers(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	for _, mode := range []os.FileMode{0o777, 0o1777 | os.ModeSticky, 0o775} {
		dir := filepath.Join("/var/lib", "theirs")
		require.NoError(t, os.MkdirAll(dir+"/data", 0o755))
		require.NoError(t, os.Chmod(dir, mode))
		w.Folders = []string{dir + "/data"}
		_, err := b.Apply(t.Context(), w)
		require.ErrorContains(t, err, "can be written to by others than root")
	}
	require.NoError(t, os.Chmod("/var/lib/theirs", 0o755))
	require.NoError(t, os.Chown("/var/lib/theirs", 65534, 65534))
	_, err := b.Apply(context.Background(), w)
	require.ErrorContains(t, err, "can be written to by others than root")
}

// fsck removed the folder on the disk and systemd made it anew: no second database is begun
// there, until the owner says so. A folder that was put back, or emptied in place as kubeadm
// reset does, is fine.
func TestGuardOfAFolderMadeAnew(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	const folder, target = "/var/lib/etcd", "/mnt/root/var/lib/etcd"
	want := readFile(t, folder+etcdDB)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, b.Guard(t.Context(), nil))

	s.sh("umount", folder)
	require.NoError(t, os.Rename(target, "/mnt/root/lost"))
	s.sh("mkdir", "-p", target)
	s.sh("mount", "--bind", target, folder)
	for _, only := range [][]string{nil, {folder}} {
		err = b.Guard(t.Context(), only)
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, Different, refused.Reason)
		assert.ErrorContains(t, err, "made anew")
		assert.Contains(t, refused.Hint(), "--use '"+target+"'")
	}
	status, err := b.ReadStatus(t.Context())
	require.NoError(t, err)
	require.Len(t, status.Findings, 1)
	assert.Contains(t, status.Findings[0].Text, "made anew")
	_, err = b.Apply(t.Context(), Request{Folders: w.Folders})
	require.ErrorContains(t, err, "made anew")

	// Put back it starts; so does one that is restored from elsewhere.
	s.sh("umount", folder)
	require.NoError(t, os.Remove(target))
	require.NoError(t, os.Rename("/mnt/root/lost", target))
	s.sh("mount", "--bind", target, folder)
	require.NoError(t, b.Guard(t.Context(), nil))
	s.sh("sh", "-c", "rm -r "+folder+"/*")
	require.NoError(t, b.Guard(t.Context(), nil), "as kubeadm reset leaves it")

	s.sh("umount", folder)
	require.NoError(t, os.Remove(target))
	s.sh("mkdir", "-p", target+"/member/snap")
	s.sh("mount", "--bind", target, folder)
	require.NoError(t, b.Guard(t.Context(), nil), "restored")

	// The owner says that it is to be empty.
	s.sh("umount", folder)
	s.sh("rm", "-r", target)
	s.sh("mkdir", target)
	s.sh("mount", "--bind", target, folder)
	require.Error(t, b.Guard(t.Context(), nil))
	_, err = b.Apply(t.Context(), Request{Folders: w.Folders, Use: []string{target}})
	require.NoError(t, err)
	require.NoError(t, b.Guard(t.Context(), nil))

	// Made anew once more, undo has the data of before apply.
	s.sh("umount", folder)
	require.NoError(t, os.Remove(target))
	s.sh("mkdir", target)
	s.sh("mount", "--bind", target, folder)
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, want, readFile(t, folder+etcdDB))
}

// What cannot be written is refused before anything is changed, by apply and by undo.
func TestReadOnlyIsRefusedFirst(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	tree := func() string {
		return s.sh("sh", "-c", "cd / && find etc var/lib mnt -xdev -printf '%p %i %M %s %T@\\n' | sort; cat /proc/mounts")
	}
	places := map[string]func() func(){
		"/var/lib": func() func() { return s.remount("/var/lib") },
		"/etc":     func() func() { return s.remount("/etc") },
		"/etc/fstab": func() func() {
			s.sh("chattr", "+i", "/etc/fstab")
			return func() { s.sh("chattr", "-i", "/etc/fstab") }
		},
		"/var/lib/etcd": func() func() {
			s.sh("chattr", "+i", "/var/lib")
			return func() { s.sh("chattr", "-i", "/var/lib") }
		},
	}
	for _, applied := range []bool{false, true} {
		if applied {
			_, err := b.Apply(t.Context(), w)
			require.NoError(t, err)
		}
		for place, spoil := range places {
			restore := spoil()
			before := tree()
			var err error
			if applied {
				err = b.Undo(t.Context(), UndoOptions{})
			} else {
				_, err = b.Apply(t.Context(), w)
			}
			var refused *RefusedError
			require.ErrorAs(t, err, &refused, "%s, applied: %v", place, applied)
			assert.Equal(t, ReadOnly, refused.Reason, "%s: %v", place, err)
			assert.Equal(t, before, tree(), "%s, applied: %v", place, applied)
			restore()
		}
	}
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
}

// remount makes a mount of the stage read-only.
func (s *stage) remount(place string) (restore func()) {
	require.NoError(s.t, unix.Mount("", place, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	return func() { require.NoError(s.t, unix.Mount("", place, "", unix.MS_REMOUNT|unix.MS_BIND, "")) }
}
