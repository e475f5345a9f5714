package storage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mountTable is what is mounted, without the numbers.
func mountTable(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("findmnt", "-rno", "TARGET,SOURCE,OPTIONS").Output()
	require.NoError(t, err)
	return string(out)
}

// refusal is a request that is refused, on a board on which make has prepared something.
type refusal struct {
	name    string
	request Request
	make    func() (undo func())
	code    Reason
	says    string
}

func refusals(t *testing.T, s *stage) []refusal {
	device := s.device()
	return []refusal{
		{"unknown UUID", Request{Device: "UUID=0000"}, nil, Unsuitable, "UUID=0000: no disk has it"},
		{"unknown label", Request{Device: "LABEL=nobody"}, nil, Unsuitable, "LABEL=nobody: no disk has it"},
		{"no such device", Request{Device: "/dev/nothing"}, nil, Unsuitable, "/dev/nothing: there is no such device or folder"},
		{"neither", Request{Device: "/var/lib/docker"}, nil, Unsuitable, "/var/lib/docker is neither a block device nor a mount point"},
		{"nonsense", Request{Device: "sda1"}, nil, Unsuitable, `"sda1" is none of UUID=…`},
		{"mounted elsewhere", Request{Device: device}, func() func() {
			require.NoError(t, os.Mkdir("/mnt/else", 0o755))
			s.sh("mount", s.disk, "/mnt/else")
			return func() { s.sh("umount", "/mnt/else"); require.NoError(t, os.Remove("/mnt/else")) }
		}, Unsuitable, s.disk + " is mounted at /mnt/else already"},
		{"busy device", Request{Device: device}, func() func() {
			fd, err := unix.Open(s.disk, unix.O_RDONLY|unix.O_EXCL, 0)
			require.NoError(t, err)
			return func() { unix.Close(fd) }
		}, Unsuitable, s.disk + " is in use"},
		{"two with one label", Request{Device: device}, func() func() {
			s.sh("cp", "--sparse=always", filepath.Join(s.dir, "disk"), filepath.Join(s.dir, "clone"))
			clone := s.loop("clone")
			return func() { s.sh("losetup", "-d", clone) }
		}, Unsuitable, device + ": 2 disks have it"},
		{"too small", Request{Device: device}, func() func() {
			require.NoError(t, os.WriteFile("/var/lib/etcd/big", make([]byte, 13<<20), 0o600))
			require.NoError(t, os.MkdirAll("/var/lib/docker/big", 0o755))
			return func() {
				require.NoError(t, os.Remove("/var/lib/etcd/big"))
				require.NoError(t, os.Remove("/var/lib/docker/big"))
			}
		}, TooSmall, ""},
		{"second bind", Request{Device: device, Folders: []string{"/var/lib/etcd"}}, func() func() {
			s.sh("mount", "--bind", "/var/lib/docker", "/var/lib/etcd")
			return func() { s.sh("umount", "/var/lib/etcd") }
		}, Unsuitable, "/var/lib/etcd has something mounted on it already"},
		{"mount inside", Request{Device: device, Folders: []string{"/var/lib/docker"}}, func() func() {
			s.sh("mount", "-t", "tmpfs", "x", "/var/lib/docker/deep")
			return func() { s.sh("umount", "/var/lib/docker/deep") }
		}, Busy, "/var/lib/docker cannot be moved: /var/lib/docker/deep is mounted in it"},
		{"foreign line for the folder", Request{Device: device}, foreignLine(t, "/x /var/lib/etcd/ none bind 0 0"), Unsuitable, "line 5 of /etc/fstab mounts something at /var/lib/etcd already: /x /var/lib/etcd/ none bind 0 0"},
		{"foreign line for the disk's place", Request{Device: device}, foreignLine(t, "LABEL=x /mnt/root xfs defaults 0 0"), Unsuitable, "line 5 of /etc/fstab mounts something at /mnt/root already"},
		{"marked lines damaged", Request{Device: device}, foreignLine(t, fstab.Begin), Unsuitable,
			"/etc/fstab: the lines of kubeadm-arm storage are not whole"},
		{"link in the folder's path", Request{Device: device, Folders: []string{"/var/lib/link/etcd"}}, func() func() {
			require.NoError(t, os.Symlink("/mnt", "/var/lib/link"))
			return func() { require.NoError(t, os.Remove("/var/lib/link")) }
		}, Unsuitable, "the folder /var/lib/link/etcd leads over a symbolic link, /var/lib/link to /mnt"},
		{"link in the mount point's", Request{Device: device, Mount: "/mnt/link/root"}, func() func() {
			require.NoError(t, os.Symlink("/srv", "/mnt/link"))
			return func() { require.NoError(t, os.Remove("/mnt/link")) }
		}, Unsuitable, "the mount point /mnt/link/root leads over a symbolic link"},
		{"fstab is a link", Request{Device: device}, func() func() {
			require.NoError(t, os.Rename(fstabPath, "/etc/real"))
			require.NoError(t, os.Symlink("/etc/real", fstabPath))
			return func() { require.NoError(t, os.Rename("/etc/real", fstabPath)) }
		}, Unsuitable, "/etc/fstab is not a file"},
		{"read-only /etc", Request{Device: device}, func() func() {
			s.sh("mount", "-o", "remount,bind,ro", "/etc")
			return func() { s.sh("mount", "-o", "remount,bind,rw", "/etc") }
		}, ReadOnly, "/etc cannot be written: read-only file system"},
		{"place not empty", Request{Device: device, Mount: "/var/lib/docker/deep"}, nil, Unsuitable, "/var/lib/docker/deep is not empty"},
		{"system folder", Request{Device: device, Folders: []string{"/etc/kubernetes"}}, nil, Unsuitable, "/etc/kubernetes belongs to the system"},
		{"too high", Request{Device: device, Folders: []string{"/var"}}, nil, Unsuitable, "/var cannot be moved"},
		{"one in the other", Request{Device: device, Folders: []string{"/var/lib/etcd/member", "/var/lib/etcd"}}, nil, Unsuitable, "/var/lib/etcd/member lies inside /var/lib/etcd"},
		{"twice", Request{Device: device, Folders: []string{"/var/lib/etcd", "/var/lib/etcd/"}}, nil, Unsuitable, "/var/lib/etcd is named twice"},
		{"not whole", Request{Device: device, Folders: []string{"var/lib/etcd"}}, nil, Unsuitable, `the folder "var/lib/etcd" is not a whole path`},
		{"control characters", Request{Device: device, Folders: []string{"/var/lib/a\nb"}}, nil, Unsuitable, "has characters that fstab and people cannot read"},
		{"in use", Request{Device: device}, func() func() {
			f, err := os.Open("/var/lib/etcd/member/snap/db")
			require.NoError(t, err)
			sleep := exec.Command("sleep", "60")
			sleep.Stdin = f
			require.NoError(t, sleep.Start())
			return func() { _ = sleep.Process.Kill(); _ = sleep.Wait(); f.Close() }
		}, Busy, "/var/lib/etcd is in use by sleep (pid "},
	}
}

// TestRefused: each refusal is one clear line, and leaves the board as it was.
func TestRefused(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	b := testBoard()
	for _, c := range refusals(t, s) {
		t.Run(c.name, func(t *testing.T) {
			undo := func() {}
			if c.make != nil {
				undo = c.make()
			}
			before, table := listing(t), mountTable(t)
			_, err := b.Apply(t.Context(), c.request)
			assert.Equal(t, before, listing(t), "something was changed")
			assert.Equal(t, table, mountTable(t))
			undo()
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.code, refused.Reason, err.Error())
			assert.Contains(t, err.Error(), c.says)
			assert.NotContains(t, strings.TrimSpace(err.Error()), "\n")
			assert.NotEmpty(t, refused.Hint())
		})
	}
}

// foreignLine adds a line to fstab.
func foreignLine(t *testing.T, line string) func() func() {
	return func() func() {
		require.NoError(t, os.WriteFile(fstabPath, []byte(ownersFstab+line+"\n"), 0o644))
		return func() { require.NoError(t, os.WriteFile(fstabPath, []byte(ownersFstab), 0o644)) }
	}
}

// TestFullHalfWay fills the disk between the look at its space and the copy.
func TestFullHalfWay(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	require.NoError(t, os.WriteFile("/var/lib/etcd/big", bytes.Repeat([]byte("x"), 6<<20), 0o600))
	before, table, data := listing(t), mountTable(t), snapshots(t)
	b := testBoard()
	b.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name == "cp" {
			_ = os.WriteFile("/mnt/root/filler", make([]byte, 12<<20), 0o600)
		}
		return runner.Exec(ctx, name, args...)
	}
	_, err := b.Apply(context.Background(), Request{Device: s.device(), Folders: testFolders()})
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Contains(t, err.Error(), "copy /var/lib/etcd to /mnt/root/var/lib/.kubeadm-arm-copy-etcd: cp ")
	assert.Equal(t, before, listing(t))
	assert.Equal(t, table, mountTable(t))
	assert.Equal(t, data, snapshots(t))
	s.sh("mount", s.disk, "/srv")
	left, err := exec.Command("find", "/srv", "-mindepth", "1", "-not", "-name", "lost+found").Output()
	require.NoError(t, err)
	assert.Equal(t, "/srv/filler\n", string(left), "no copy is left on the disk")
}

// TestCopyThatLies: what the copier gets wrong is found before the switch.
func TestCopyThatLies(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	before := listing(t)
	for name, spoil := range map[string]func(dir string){
		"one byte":      func(d string) { write1(t, d+"/member/snap/db") },
		"a mode":        func(d string) { require.NoError(t, os.Chmod(d+"/member", 0o777)) },
		"a lost file":   func(d string) { require.NoError(t, os.Remove(d+"/member/wal/0.wal")) },
		"an owner":      func(d string) { require.NoError(t, os.Chown(d+"/member/snap/db", 1, 1)) },
		"an attribute":  func(d string) { require.NoError(t, unix.Setxattr(d+"/member", "user.x", []byte("1"), 0)) },
		"a second link": func(d string) { require.NoError(t, os.Link(d+"/member/wal/0.wal", d+"/member/wal/1.wal")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := testBoard()
			b.Run = func(ctx context.Context, program string, args ...string) ([]byte, error) {
				out, err := runner.Exec(ctx, program, args...)
				if program == "cp" {
					spoil(args[len(args)-1])
				}
				return out, err
			}
			_, err := b.Apply(context.Background(), Request{Device: s.device(), Folders: []string{"/var/lib/etcd"}})
			require.ErrorContains(t, err, "the copy of /var/lib/etcd at /mnt/root/var/lib/.kubeadm-arm-copy-etcd is not equal: ")
			assert.Equal(t, before, listing(t))
		})
	}
}

// write1 changes one byte and puts the time back.
func write1(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("X"), info.Size()/2)
	require.NoError(t, errors.Join(err, f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime())))
}

// TestApplyAgainAddUndo is one life of a set-up, at a place with a blank.
func TestApplyAgainAddUndo(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	before, data := listing(t), snapshots(t)
	ctx := context.Background()
	b := testBoard()
	w := Request{Device: s.device(), Mount: "/mnt/my disk", Folders: []string{"/var/lib/etcd", "/var/lib/my data"}}
	plan, err := b.Decide(ctx, w)
	require.NoError(t, err)
	assert.Equal(t, before, listing(t), "a plan changes nothing")
	_, err = b.Apply(ctx, w)
	require.NoError(t, err)
	text, err := os.ReadFile(fstabPath)
	require.NoError(t, err)
	assert.Equal(t, string(plan.After), string(text), "fstab is what the plan showed")
	assert.Contains(t, string(text), `/mnt/my\040disk/var/lib/my\040data /var/lib/my\040data none bind,nofail 0 0`)
	s.checkFstab(string(text), string(text))
	assert.Equal(t, data, snapshots(t))
	after, table := listing(t), mountTable(t)
	p, err := b.Apply(ctx, w)
	require.NoError(t, err)
	assert.True(t, p.Nothing)
	assert.Equal(t, after, listing(t), "again changes nothing")
	assert.Equal(t, table, mountTable(t))
	status, err := b.ReadStatus(ctx)
	require.NoError(t, err)
	assert.Equal(t, "applied", status.State)
	assert.Empty(t, status.Findings)
	require.NoError(t, b.Guard(ctx, nil))

	// Another disk, another place: not while this one is set up.
	_, err = b.Apply(ctx, Request{Device: s.device(), Mount: "/mnt/other"})
	require.ErrorContains(t, err, "the disk's place is /mnt/my disk already")

	// One more folder, which cannot be: the others stay.
	failing := b
	failing.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name == "cp" {
			return nil, &runner.Error{Command: "cp", Err: errors.New("exit status 1")}
		}
		return runner.Exec(ctx, name, args...)
	}
	_, err = failing.Apply(ctx, Request{Folders: []string{"/var/lib/docker"}})
	require.ErrorContains(t, err, "copy /var/lib/docker")
	assert.Equal(t, table, mountTable(t))
	assert.Equal(t, string(text), readFile(t, fstabPath))
	_, err = b.Apply(ctx, Request{Folders: []string{"/var/lib/docker"}})
	require.NoError(t, err)
	assert.Equal(t, data, snapshots(t))

	require.NoError(t, b.Undo(ctx, UndoOptions{}))
	assert.Equal(t, before, listing(t))
	assert.Equal(t, data, snapshots(t))
	require.ErrorContains(t, b.Undo(ctx, UndoOptions{}), "nothing is set up")
}

// TestWithoutTheDisk: nothing starts on the card's empty folders, and nothing is changed
// on a disk that stands at the place of the right one.
func TestWithoutTheDisk(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	ctx := context.Background()
	b := testBoard()
	data := snapshots(t)
	w := Request{Device: s.device(), Mount: "/mnt/my disk", Folders: []string{"/var/lib/etcd", "/var/lib/docker"}}
	_, err := b.Apply(ctx, w)
	require.NoError(t, err)
	s.sh("umount", "/var/lib/etcd")
	require.ErrorContains(t, b.Guard(ctx, nil), "nothing is started: /var/lib/etcd is not on its disk")
	require.NoError(t, b.Guard(ctx, []string{"/var/lib/docker"}))
	status, err := b.ReadStatus(ctx)
	require.NoError(t, err)
	require.Len(t, status.Findings, 1)
	assert.Contains(t, status.Findings[0].Text, "no second database arises there")
	_, err = b.Clean(ctx, nil)
	require.ErrorContains(t, err, "/var/lib/etcd is not on its disk now")
	_, err = b.Apply(ctx, Request{})
	require.NoError(t, err, "apply mounts it again")
	require.NoError(t, b.Guard(ctx, nil))

	// Another disk at its place.
	s.sh("mount", "-t", "tmpfs", "other", "/mnt/my disk")
	require.ErrorContains(t, b.Undo(ctx, UndoOptions{}), "another disk than UUID=")
	s.sh("umount", "/mnt/my disk")
	assert.Equal(t, data, snapshots(t))
	require.NoError(t, b.Undo(ctx, UndoOptions{}))
}

// TestDeadCard: the card died and the disk holds the data, which is taken up.
func TestDeadCard(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	ctx := context.Background()
	b := testBoard()
	data := snapshots(t)
	_, err := b.Apply(ctx, Request{Device: s.device(), Folders: testFolders()})
	require.NoError(t, err)
	did, err := b.Clean(ctx, nil)
	require.NoError(t, err)
	assert.Len(t, did.Removed, 2, "an empty folder is not kept")
	assert.Empty(t, did.Left)
	for _, f := range append(testFolders(), "/mnt/root") {
		s.sh("umount", f)
	}
	for _, f := range testFolders() {
		require.NoError(t, b.removeGuard(f))
	}
	require.NoError(t, b.unprotect("/mnt/root"))
	require.NoError(t, os.Remove(journalPath))
	require.NoError(t, os.WriteFile(fstabPath, []byte(ownersFstab), 0o644))
	s.sh("mount", s.disk, "/mnt/root")
	p, err := b.Apply(ctx, Request{Device: "/mnt/root", Folders: testFolders()})
	require.NoError(t, err)
	assert.Equal(t, "adopt", p.Moves[0].What)
	assert.Equal(t, data, snapshots(t))
	require.NoError(t, b.Undo(ctx, UndoOptions{}))
	for _, f := range []string{"/var/lib/etcd", "/var/lib/docker"} {
		assert.Equal(t, data[f], snapshot(t, f))
	}
	assert.NoDirExists(t, "/var/lib/my data", "it was not there before")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
