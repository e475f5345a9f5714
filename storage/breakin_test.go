package storage

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

const etcdDB = "/member/snap/db"

// ready is a board with an etcd folder of its own, and what apply says.
func ready(t *testing.T) (*stage, Board, Request) {
	s := newStage(t)
	s.up()
	s.populate()
	return s, testBoard(), Request{Device: s.device(), Folders: []string{"/var/lib/etcd"}}
}

// stopBefore ends a run, without a chance to take anything back, before a change.
func stopBefore(op string) durable.FS {
	return durable.FS{Hook: func(c durable.Change) error {
		if c.Op == op && !c.Done {
			panic("cut")
		}
		return nil
	}}
}

// cut runs up to there.
func cut(t *testing.T, run func()) {
	t.Helper()
	require.PanicsWithValue(t, "cut", run)
}

// Two copies that differ: nothing is removed, and the owner chooses.
func TestDamagedBeforeTheSwap(t *testing.T) {
	if !onStage(t) {
		return
	}
	const card, disk = "/var/lib/etcd", "/mnt/root/var/lib/etcd"
	for _, damaged := range []string{card, disk} {
		for _, verb := range []string{"apply", "undo"} {
			s, b, w := ready(t)
			want := readFile(t, card+etcdDB)
			dying := b
			dying.FS = stopBefore("exchange")
			cut(t, func() { _, _ = dying.Apply(context.Background(), w) })
			unlockForTest(t)
			require.NoError(t, os.Truncate(damaged+etcdDB, 0))
			good := map[string]string{card: disk, disk: card}[damaged]
			run := func(use ...string) error {
				if verb == "undo" {
					return b.Undo(t.Context(), UndoOptions{Use: use})
				}
				_, err := b.Apply(t.Context(), Request{Use: use})
				return err
			}
			err := run()
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, Different, refused.Reason)
			assert.Contains(t, err.Error(), "member/snap/db is empty or missing in "+damaged)
			assert.Contains(t, refused.Hint(), "kubeadm-arm storage "+verb+" --use '"+card+"', or --use '"+disk+"'")
			assert.Equal(t, want, readFile(t, good+etcdDB))
			require.NoError(t, run(good))
			assert.Equal(t, want, readFile(t, card+etcdDB))
			s.clear()
		}
	}
}

// unlockForTest drops the lock of a run that ended in this very process.
func unlockForTest(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); to == lockPath {
			var fd int
			for _, c := range e.Name() {
				fd = fd*10 + int(c-'0')
			}
			require.NoError(t, unix.Flock(fd, unix.LOCK_UN))
		}
	}
}

// A writer that nobody stopped is found, or what it wrote is.
func TestWrittenWhileCopied(t *testing.T) {
	if !onStage(t) {
		return
	}
	for _, op := range []string{"syncfs", "write", "mkdir", "exchange", "protect", "mount"} {
		s, b, w := ready(t)
		late := false
		b.FS.Hook = func(c durable.Change) error {
			if c.Op == op && c.Done == false && durable.Exists("/mnt/root/var/lib/etcd") {
				// By the path, as something does that comes back later.
				late = os.WriteFile("/var/lib/etcd/member/late", []byte("late"), 0o600) == nil || late
			}
			return nil
		}
		_, err := b.Apply(t.Context(), w)
		t.Logf("written before %s: %v, apply: %v", op, late, err)
		if late {
			assert.Equal(t, "late", readFile(t, "/var/lib/etcd/member/late"), "it is where the board looks")
		}
		s.clear()
	}
}

// Whoever has the folder open, under whatever name, is found by its inode.
func TestUsedUnderAnotherName(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	for name, script := range map[string]string{
		"open file":      "mount --bind /var/lib/etcd /srv; exec 3>>/srv/member/wal/0.wal; umount -l /srv; echo; cat",
		"mount":          "mount --bind /var/lib/etcd /srv; echo; cat",
		"mount inside":   "mount --bind /var/lib/etcd/member/wal /srv; echo; cat",
		"working folder": "cd /var/lib/etcd/member; echo; cat",
		"overlay":        "mkdir -p /dev/shm/w$$; mount -t tmpfs t /dev/shm/w$$; mkdir /dev/shm/w$$/u /dev/shm/w$$/w; mount -t overlay -o lowerdir=/var/lib/etcd,upperdir=/dev/shm/w$$/u,workdir=/dev/shm/w$$/w o /srv || mount --bind /var/lib/etcd /srv; echo; cat",
	} {
		cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 1))
		require.NoError(t, err, name)
		before := listing(t)
		_, err = b.Apply(t.Context(), w)
		require.ErrorContains(t, err, "/var/lib/etcd is in use by ", name)
		assert.Equal(t, before, listing(t), name)
		in.Close()
		_ = cmd.Wait()
	}
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	s.clear()
}

// Removal stops at mounts, also at one of the same file system, before it begins.
func TestRemovalStaysOnItsMount(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, _ := ready(t)
	require.NoError(t, os.MkdirAll("/var/lib/photos", 0o755))
	require.NoError(t, os.WriteFile("/var/lib/photos/1.jpg", []byte("precious"), 0o600))
	for name, mount := range map[string][]string{
		"same file system": {"--bind", "/var/lib/photos", "/var/lib/etcd/member/wal"},
		"another one":      {"-t", "tmpfs", "t", "/var/lib/etcd/member/wal"},
		"a file":           {"--bind", "/var/lib/photos/1.jpg", "/var/lib/etcd/member/snap/db"},
	} {
		s.sh("mount", mount...)
		var crossed *tree.CrossedError
		require.ErrorAs(t, tree.Remove(t.Context(), b.FS, "/var/lib/etcd"), &crossed, name)
		assert.Equal(t, "precious", readFile(t, "/var/lib/photos/1.jpg"))
		s.sh("umount", mount[len(mount)-1])
		assert.Equal(t, "wal", readFile(t, "/var/lib/etcd/member/wal/0.wal"), "nothing was removed")
	}
	require.NoError(t, os.Symlink("/var/lib/photos", "/var/lib/etcd/link"))
	require.NoError(t, tree.Remove(t.Context(), b.FS, "/var/lib/etcd"))
	assert.Equal(t, "precious", readFile(t, "/var/lib/photos/1.jpg"))
	assert.NoDirExists(t, "/var/lib/etcd")
}

// What lies in a folder does not make it a guard folder.
func TestGuardIsNoContent(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	require.NoError(t, os.RemoveAll("/var/lib/etcd"))
	require.NoError(t, os.Mkdir("/var/lib/etcd", 0o700))
	require.NoError(t, os.WriteFile("/var/lib/etcd/NOT-MOUNTED", guardText("/var/lib/etcd", "UUID=any"), 0o444))
	require.NoError(t, os.WriteFile("/var/lib/etcd/member", guardText("/var/lib/etcd", "UUID=any"), 0o444))
	data := snapshot(t, "/var/lib/etcd")
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	assert.Equal(t, data, snapshot(t, "/var/lib/etcd"), "it was copied like any other")
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, data, snapshot(t, "/var/lib/etcd"))
	assert.False(t, protected("/var/lib/etcd"))
}

// Two disks with one UUID: nobody guesses, unless one is in its place.
func TestTwinDisks(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	s.sh("cp", "--sparse=always", filepath.Join(s.dir, "disk"), filepath.Join(s.dir, "clone"))
	clone := s.loop("clone")
	require.NoError(t, b.Guard(t.Context(), nil), "the right one is mounted")
	status, err := b.ReadStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, s.disk, status.Device)
	s.sh("umount", "/var/lib/etcd")
	s.sh("umount", "/mnt/root")
	for name, run := range map[string]func() error{
		"undo":         func() error { return b.Undo(t.Context(), UndoOptions{}) },
		"apply":        func() error { _, err := b.Apply(t.Context(), Request{}); return err },
		"apply device": func() error { _, err := b.Apply(t.Context(), Request{Device: clone}); return err },
	} {
		err := run()
		require.ErrorContains(t, err, "2 disks have it: ", name)
		assert.Contains(t, err.Error(), s.disk, name)
		assert.Contains(t, err.Error(), clone, name)
	}
	require.Error(t, b.Guard(t.Context(), nil))
}

// The disk is gone for good, or belongs to another board.
func TestWaysOut(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	before := snapshots(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	require.ErrorContains(t, b.Undo(t.Context(), UndoOptions{WithoutDisk: true}), " is there: ")
	other := b
	other.Identity = func() string { return "another board" }
	for _, err := range []error{
		func() error { _, err := other.Apply(t.Context(), Request{}); return err }(), other.Undo(t.Context(), UndoOptions{}),
		func() error { _, err := other.Clean(t.Context(), nil); return err }(),
	} {
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, OtherBoard, refused.Reason)
		assert.Contains(t, refused.Hint(), "--take-over")
		assert.Contains(t, refused.Hint(), "undo --without-disk")
	}
	s.sh("umount", "/var/lib/etcd")
	s.sh("umount", "/mnt/root")
	s.sh("losetup", "-d", s.disk)
	var refused *RefusedError
	require.ErrorAs(t, b.Undo(t.Context(), UndoOptions{}), &refused)
	assert.Contains(t, refused.Hint(), "undo --without-disk")
	_, err = b.Clean(t.Context(), nil)
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Hint(), "undo --without-disk")
	require.NoError(t, other.Undo(t.Context(), UndoOptions{WithoutDisk: true}))
	assert.Equal(t, before, snapshots(t), "the data of before apply")
	assert.Equal(t, ownersFstab, readFile(t, fstabPath))
	assert.NoFileExists(t, journalPath)
}

// A lost journal is made anew from fstab's lines.
func TestRebuild(t *testing.T) {
	if !onStage(t) {
		return
	}
	_, b, w := ready(t)
	before := snapshots(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(journalPath, []byte("{"), 0o600))
	require.ErrorContains(t, b.Guard(t.Context(), nil), "nothing is started: ")
	var refused *RefusedError
	require.ErrorAs(t, b.Undo(t.Context(), UndoOptions{}), &refused)
	assert.Contains(t, refused.Hint(), "--rebuild")
	require.NoError(t, os.Remove(journalPath))
	require.Error(t, b.Guard(t.Context(), nil), "fstab says that there is something")
	_, err = b.Apply(t.Context(), Request{Rebuild: true})
	require.NoError(t, err)
	require.NoError(t, b.Guard(t.Context(), nil))
	require.NoError(t, b.Undo(t.Context(), UndoOptions{}))
	assert.Equal(t, before, snapshots(t))
}

// The guard refuses whatever it cannot find out.
func TestGuardFailsClosed(t *testing.T) {
	if !onStage(t) {
		return
	}
	s, b, w := ready(t)
	require.NoError(t, b.Guard(t.Context(), nil), "nothing is set up")
	require.Error(t, b.Guard(t.Context(), []string{"/unknown"}))
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	for _, name := range []string{"/unknown", "", "/var/lib/etcd/", "/var/lib/et"} {
		require.ErrorContains(t, b.Guard(t.Context(), []string{name}), "nothing is started", name)
	}
	hung := b
	hung.DeviceWait = 100 * time.Millisecond
	hung.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name == "lsblk" || name == "blkid" {
			return runner.Exec(ctx, "sleep", "600")
		}
		return runner.Exec(ctx, name, args...)
	}
	require.ErrorIs(t, hung.Guard(t.Context(), nil), context.DeadlineExceeded)
	s.sh("umount", "/var/lib/etcd")
	require.ErrorContains(t, hung.Guard(t.Context(), nil), "nothing is started")
	s.sh("umount", "/mnt/root")
	require.ErrorContains(t, b.Guard(t.Context(), []string{"/unknown"}), "nothing is started")
	require.NoError(t, os.Remove(journalPath))
	require.NoError(t, unix.Mkfifo(journalPath, 0o600))
	require.ErrorContains(t, b.Guard(t.Context(), nil), "nothing is started")
}

// A lock that others can take would keep everybody out.
func TestLockIsRoots(t *testing.T) {
	if !onStage(t) {
		return
	}
	ready(t)
	etc, err := os.Open("/etc")
	require.NoError(t, err)
	defer etc.Close()
	require.NoError(t, syscall.Flock(int(etc.Fd()), syscall.LOCK_EX))
	unlock, err := lock()
	require.NoError(t, err, "a lock on /etc is in nobody's way")
	_, err = lock()
	require.ErrorContains(t, err, "running on this board")
	unlock()
	require.NoError(t, os.Chmod(lockFolder, 0o777))
	_, err = lock()
	require.ErrorContains(t, err, "is not root's alone")
	require.NoError(t, os.Chmod(lockFolder, 0o700))
}

// Clean removes a copy of which all is in place, and no other one unless it is named.
func TestCleanKeepsTheLastGoodCopy(t *testing.T) {
	if !onStage(t) {
		return
	}
	const disk = "/mnt/root/var/lib/etcd"
	s, b, w := ready(t)
	_, err := b.Apply(t.Context(), w)
	require.NoError(t, err)
	old := onlyKept(t)
	stays := func(words ...string) {
		t.Helper()
		did, err := b.Clean(t.Context(), nil)
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, Different, refused.Reason)
		assert.Contains(t, refused.Hint(), "kubeadm-arm storage clean '"+old+"'")
		assert.Empty(t, did.Removed)
		require.Len(t, did.Left, 1)
		for _, word := range append(words, old+": the data of before apply; not all of it is in /var/lib/etcd: ") {
			assert.Contains(t, did.Left[0], word)
		}
		assert.Equal(t, []string{old}, []string{onlyKept(t)})
		assert.DirExists(t, old)
	}
	good := readFile(t, "/var/lib/etcd"+etcdDB)
	require.NoError(t, os.Truncate("/var/lib/etcd"+etcdDB, 0))
	stays("member/snap/db is empty or missing in /var/lib/etcd")
	require.NoError(t, os.WriteFile("/var/lib/etcd"+etcdDB, []byte(strings.ToUpper(good)), 0o600))
	stays("in " + old + " (4")

	// fsck removes the disk's copy, systemd makes the folder that is missing and mounts
	// it, and etcd begins an empty database there.
	s.sh("umount", "/var/lib/etcd")
	require.NoError(t, os.RemoveAll(disk))
	require.NoError(t, os.MkdirAll(disk+"/member/snap", 0o700))
	require.NoError(t, os.WriteFile(disk+etcdDB, []byte("begun anew"), 0o600))
	s.sh("mount", "--bind", disk, "/var/lib/etcd")
	stays("in /var/lib/etcd (", "member/snap/db was written last, ")

	require.NoError(t, os.MkdirAll(old+"/mounted", 0o700))
	require.NoError(t, unix.Mount("/mnt", old+"/mounted", "", unix.MS_BIND, ""))
	_, err = b.Clean(t.Context(), []string{old})
	var crossed *tree.CrossedError
	require.True(t, errors.As(err, &crossed), "%v", err)
	require.NoError(t, unix.Unmount(old+"/mounted", 0))
	_, err = b.Clean(t.Context(), []string{"/var/lib/docker"})
	require.ErrorContains(t, err, "is no copy that was kept")
	var told []string
	b.Tell = func(line string) { told = append(told, line) }
	did, err := b.Clean(t.Context(), []string{old})
	require.NoError(t, err)
	assert.Equal(t, Cleaned{Removed: []string{old}}, did)
	assert.Contains(t, strings.Join(told, "\n"), "removing "+old+", as you named it: the data of before apply; not all")
}

// onlyKept is the one copy that is kept.
func onlyKept(t *testing.T) string {
	t.Helper()
	j, err := readJournal()
	require.NoError(t, err)
	require.Len(t, j.Kept, 1)
	return j.Kept[0].Path
}

// A copy that somebody else has removed is not said to be removed by clean.
func TestCleanOfWhatIsNotThere(t *testing.T) {
	if !onStage(t) {
		return
	}
	for _, named := range []bool{false, true} {
		s, b, w := ready(t)
		_, err := b.Apply(t.Context(), w)
		require.NoError(t, err)
		old := onlyKept(t)
		require.NoError(t, os.RemoveAll(old))
		var only []string
		if named {
			only = []string{old}
		}
		did, err := b.Clean(t.Context(), only)
		require.NoError(t, err)
		assert.Equal(t, Cleaned{Absent: []string{old}}, did)
		s.clear()
	}
}
