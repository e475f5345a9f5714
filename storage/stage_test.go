package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

// These tests work on real kernel objects: an SD card and a disk are loop devices
// with ext4, and in a mount namespace of the test the card's folders lie over
// /etc, /var/lib and /mnt. They need root.

func TestMain(m *testing.M) {
	if do := os.Getenv("STORAGE_TEST_DO"); do != "" {
		os.Exit(victim(do))
	}
	os.Exit(m.Run())
}

// victim is this program as kubeadm-arm storage, to be killed at change number
// STORAGE_TEST_KILL of the board.
func victim(do string) int {
	at, _ := strconv.Atoi(os.Getenv("STORAGE_TEST_KILL"))
	n := 0
	b := testBoard()
	b.FS.Hook = func(c durable.Change) error {
		if c.Op == "sync" {
			return nil // killed before or after it, the names are the same
		}
		n++
		if os.Getenv("STORAGE_TEST_LIST") != "" {
			fmt.Println(n, c.Op, c.Path, c.Done)
		}
		if n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	var err error
	if do == "apply" {
		r := Request{Device: os.Getenv("STORAGE_TEST_DEVICE"), Folders: testFolders(), Use: testUse()}
		_, err = b.Apply(context.Background(), r)
	} else {
		err = b.Undo(context.Background(), UndoOptions{Use: testUse()})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func testBoard() Board {
	return Board{Run: withoutServices, Now: time.Now, Identity: func() string { return "this board" },
		DeviceWait: time.Hour} // a busy machine is no disk that hangs
}

// withoutServices runs programs on a board on which no service is active.
func withoutServices(ctx context.Context, name string, args ...string) ([]byte, error) {
	if name == "systemctl" && args[0] == "is-active" {
		return []byte("inactive\n"), nil
	}
	return runner.Exec(ctx, name, args...)
}

// testUse are the copies that the owner chose.
func testUse() []string {
	return strings.FieldsFunc(os.Getenv("STORAGE_TEST_USE"), func(r rune) bool { return r == ':' })
}

func testFolders() []string { return []string{"/var/lib/etcd", "/var/lib/docker", "/var/lib/my data"} }

// onStage runs the rest of a test in a mount namespace of its own.
func onStage(t *testing.T) (inside bool) {
	t.Helper()
	return len(onStages(t, 1)) == 0
}

// onStages runs the rest of a test in several processes at once, each in a mount
// namespace of its own, and returns what they printed; nothing inside of one. Each
// takes its share of the trials (see takes).
func onStages(t *testing.T, n int) (printed []string) {
	t.Helper()
	roottest.Need(t, "real mounts and loop devices")
	if os.Getenv("STORAGE_TEST_STAGE") == t.Name() {
		return nil
	}
	printed = make([]string, n)
	failed := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			cmd := exec.Command("unshare", "--mount", "--propagation", "private",
				os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "90m")
			cmd.Env = append(os.Environ(), "STORAGE_TEST_STAGE="+t.Name(), fmt.Sprintf("STORAGE_TEST_SHARE=%d/%d", i, n))
			out, err := cmd.CombinedOutput()
			printed[i], failed[i] = string(out), err
		})
	}
	all.Wait()
	for i, out := range printed {
		t.Logf("%s", out)
		require.NoError(t, failed[i], "in its mount namespace")
		require.Contains(t, out, "--- PASS: "+t.Name())
	}
	return printed
}

// takes reports whether the trial with that number belongs to this process.
func takes(trial int) bool {
	var i, n int
	_, err := fmt.Sscanf(os.Getenv("STORAGE_TEST_SHARE"), "%d/%d", &i, &n)
	return err == nil && trial%n == i
}

// stage is the board that the tests work on.
type stage struct {
	t     *testing.T
	dir   string
	base  map[int]bool // IDs of the mounts of before
	loops []string
	disk  string   // the disk's device
	use   []string // copies that were chosen

	// verified are texts of fstab that findmnt(8) found nothing wrong with.
	verified map[string]bool
}

const ownersFstab = "proc\t/proc proc defaults 0 0\n\n# the owner's own\n" +
	"LABEL=nowhere /srv/it\\040is ext4 noauto,nofail 0 0  \n"

func newStage(t *testing.T) *stage {
	// Images in memory: what is tested is the order of things, not the disk.
	dir, err := os.MkdirTemp("/dev/shm", "storage-test-")
	if err != nil {
		dir, err = os.MkdirTemp("", "storage-test-")
	}
	require.NoError(t, err)
	s := &stage{t: t, dir: dir, base: map[int]bool{}, verified: map[string]bool{}}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m, err := mountinfo.GetMounts(nil)
	require.NoError(t, err)
	for _, i := range m {
		s.base[i.ID] = true
	}
	t.Cleanup(s.clear)
	s.image("card", "16M")
	s.image("disk", "16M", "-L", s.label())
	return s
}

// label is one that no other test of this machine uses.
func (s *stage) label() string {
	name := filepath.Base(s.dir)
	return "raid" + name[max(0, len(name)-12):]
}

func (s *stage) device() string { return "LABEL=" + s.label() }

// image makes a file with ext4.
func (s *stage) image(name, size string, more ...string) {
	path := filepath.Join(s.dir, name)
	s.sh("truncate", "-s", size, path)
	s.sh("mkfs.ext4", append([]string{"-q", "-F", "-O", "^has_journal", "-I", "256"}, append(more, path)...)...)
}

func (s *stage) sh(name string, args ...string) string {
	s.t.Helper()
	out, err := runner.Exec(context.Background(), name, args...)
	require.NoError(s.t, err)
	return string(out)
}

// up mounts the card over the namespace's folders and attaches the disk.
func (s *stage) up() {
	s.t.Helper()
	card := filepath.Join(s.dir, "mounted")
	require.NoError(s.t, os.MkdirAll(card, 0o755))
	s.sh("mount", s.loop("card"), card)
	for _, d := range []string{"etc", "lib", "mnt"} {
		require.NoError(s.t, os.MkdirAll(filepath.Join(card, d), 0o755))
	}
	require.NoError(s.t, unix.Mount("run", "/run", "tmpfs", 0, "mode=755")) // the lock is this board's
	for from, at := range map[string]string{"/etc": "/etc", "/lib": "/var/lib", "/mnt": "/mnt"} {
		require.NoError(s.t, unix.Mount(card+from, at, "", unix.MS_BIND, ""))
	}
	s.disk = s.loop("disk")
}

func (s *stage) loop(name string) string {
	device := strings.TrimSpace(s.sh("losetup", "--find", "--show", filepath.Join(s.dir, name)))
	s.loops = append(s.loops, device)
	return device
}

// clear takes every mount and loop device of the stage away.
func (s *stage) clear() {
	s.unmountAll()
	for _, l := range s.loops {
		// Whoever lists disks just then keeps it for a moment, and so does a mount that
		// was busy until now.
		require.Eventually(s.t, func() bool {
			s.unmountAll()
			file, _ := os.ReadFile("/sys/block/" + filepath.Base(l) + "/loop/backing_file")
			if strings.HasPrefix(string(file), s.dir) {
				_ = exec.Command("losetup", "-d", l).Run()
				file, _ = os.ReadFile("/sys/block/" + filepath.Base(l) + "/loop/backing_file")
			}
			return !strings.HasPrefix(string(file), s.dir)
		}, 10*time.Minute, 20*time.Millisecond, "detach %s", l)
	}
	s.loops, s.use = nil, nil
}

// unmountAll unmounts what was mounted since the stage was made, but for what is busy.
func (s *stage) unmountAll() {
	for again := true; again; {
		again = false
		m, err := mountinfo.GetMounts(nil)
		if err != nil {
			s.t.Error(err)
			return
		}
		for _, i := range slices.Backward(m) {
			if !s.base[i.ID] && unix.Unmount(i.Mountpoint, unix.UMOUNT_NOFOLLOW) == nil {
				again = true
			}
		}
	}
}

// save keeps the images as they are, load puts them back.
func (s *stage) save(as string) {
	for _, i := range []string{"card", "disk"} {
		s.sh("cp", "--sparse=always", filepath.Join(s.dir, i), filepath.Join(s.dir, i+"."+as))
	}
}

func (s *stage) load(as string) {
	for _, i := range []string{"card", "disk"} {
		s.sh("cp", "--sparse=always", filepath.Join(s.dir, i+"."+as), filepath.Join(s.dir, i))
	}
}

// boot is what a start of the board mounts: fstab, in its order, what can be.
func (s *stage) boot() {
	text, err := os.ReadFile(fstabPath)
	require.NoError(s.t, err)
	for _, l := range fstab.Parse(text) {
		if l.File == "/proc" || l.HasOption("noauto") {
			continue
		}
		if l.Type == "none" {
			_ = unix.Mount(l.Spec, l.File, "", unix.MS_BIND, "")
		} else {
			// By its device: without udevd, mount(8) finds a UUID by asking all
			// devices, and may miss it while other tests make and remove theirs.
			require.NoError(s.t, unix.Mount(s.disk, l.File, l.Type, 0, ""))
		}
	}
}

// reboot takes all of storage's mounts away and boots.
func (s *stage) reboot() {
	m, err := readMounts()
	require.NoError(s.t, err)
	for _, i := range slices.Backward(m) {
		if tree.Inside(i.Mountpoint, "/mnt/root") || strings.HasPrefix(i.Mountpoint, "/var/lib/") {
			require.NoError(s.t, unix.Unmount(i.Mountpoint, 0))
		}
	}
	s.boot()
}

// populate fills the card with everything that a copier can get wrong.
func (s *stage) populate() {
	t := s.t
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
	}
	write("/etc/fstab", ownersFstab, 0o644)
	e := "/var/lib/etcd"
	write(e+"/member/snap/db", strings.Repeat("etcd", 100_000), 0o600)
	write(e+"/member/wal/0.wal", "wal", 0o600)
	require.NoError(t, os.Chmod(e, 0o700))
	d := "/var/lib/docker"
	write(d+"/one", "one file", 0o640)
	require.NoError(t, os.Link(d+"/one", d+"/two"))
	require.NoError(t, os.MkdirAll(d+"/deep/er", 0o755))
	require.NoError(t, os.Link(d+"/one", d+"/deep/er/three"))
	write(d+"/su", "setuid", 0o755)
	require.NoError(t, os.Chown(d+"/su", 1234, 65534))
	require.NoError(t, os.Chmod(d+"/su", os.ModeSetuid|os.ModeSetgid|0o755))
	require.NoError(t, os.Mkdir(d+"/sticky", 0o777))
	require.NoError(t, os.Chmod(d+"/sticky", os.ModeSticky|0o777))
	for _, name := range []string{
		"two\nlines", "-rf", "blank and\ttab", "not\xff\xfeUTF-8", "\"quoted'\\", "*?[", strings.Repeat("n", 255), ".hidden",
	} {
		write(d+"/"+name, name, 0o444)
	}
	sparse, err := os.Create(d + "/sparse") // larger than the disk
	require.NoError(t, err)
	_, err = sparse.WriteAt([]byte("far"), 12<<20)
	require.NoError(t, errors.Join(err, sparse.Truncate(18<<20), sparse.Close()))
	require.NoError(t, os.Symlink("/no/such/place", d+"/dangling"))
	require.NoError(t, os.Lchown(d+"/dangling", 7, 8))
	require.NoError(t, unix.Mkfifo(d+"/fifo", 0o620))
	require.NoError(t, unix.Mknod(d+"/whiteout", unix.S_IFCHR, 0))
	require.NoError(t, unix.Mknod(d+"/socket", unix.S_IFSOCK|0o660, 0))
	// user::rw-,user:1234:r--,group::r--,mask::r--,other::--- (acl(5), linux/posix_acl_xattr.h)
	acl := []byte{
		2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255,
		2, 0, 4, 0, 0xd2, 4, 0, 0,
		4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255,
		32, 0, 0, 0, 255, 255, 255, 255,
	}
	for name, value := range map[string][]byte{
		"user.note": []byte("x\x00y"), "trusted.overlay.opaque": []byte("y"), "system.posix_acl_access": acl,
		"security.capability": {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		require.NoError(t, unix.Lsetxattr(d+"/one", name, value, 0), name)
	}
	require.NoError(t, os.Mkdir("/var/lib/my data", 0o711))
	for i, path := range []string{d + "/sticky", d + "/one", d + "/su", d, e, "/var/lib/my data"} {
		at := time.Unix(int64(1_000_000_000*(i%2)-5_000+i), 123456789)
		require.NoError(t, os.Chtimes(path, at, at))
	}
}

// snapshot shows a folder through tar(1) and find(1): names, types, modes, owners,
// times, links, extended attributes, bytes. It shares nothing with the copier, nor
// with the fingerprint.
func snapshot(t *testing.T, folder string) string {
	t.Helper()
	tar := exec.Command("tar", "--create", "--directory", folder, "--sort=name", "--numeric-owner",
		"--xattrs", "--xattrs-include=*", "--acls", "--format=posix",
		"--pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime", "--warning=no-file-ignored", ".")
	h := sha256.New()
	var said bytes.Buffer
	tar.Stdout, tar.Stderr = h, &said
	require.NoError(t, tar.Run(), said.String())
	list, err := exec.Command("find", folder, "-printf", `%P\0%y %m %U %G %T@ %l %n\0`).Output()
	require.NoError(t, err)
	fields := strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	var lines []string
	for i := 0; i+1 < len(fields); i += 2 {
		lines = append(lines, fmt.Sprintf("%q %s", fields[i], fields[i+1]))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s\n%x", strings.Join(lines, "\n"), h.Sum(nil))
}

// snapshots are those of all folders that move.
func snapshots(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, f := range testFolders() {
		all[f] = snapshot(t, f)
	}
	return all
}

// listing is the list of everything that storage may touch on the card, but for
// the contents of its own folder.
func listing(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("find", "/etc", "/var/lib", "/mnt", "-xdev", "-not", "-name", "lost+found", "-printf", `%p %y %m %U %G %s\n`).Output()
	require.NoError(t, err)
	lines := strings.Split(string(list), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// child runs the victim; killed reports whether it was.
func (s *stage) child(do string, kill int, list bool) (out string, killed bool) {
	s.t.Helper()
	text, err := s.run(do, kill, list)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, _ := exit.Sys().(syscall.WaitStatus)
		killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if !killed {
		require.NoError(s.t, err, "%s, killed at %d: %s", do, kill, text)
	}
	return text, killed
}

// try runs the victim to its end, which may be a refusal.
func (s *stage) try(do string) (out string, err error) { return s.run(do, 0, false) }

func (s *stage) run(do string, kill int, list bool) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORAGE_TEST_DO="+do, "STORAGE_TEST_KILL="+strconv.Itoa(kill),
		"STORAGE_TEST_DEVICE="+s.device(), "STORAGE_TEST_USE="+strings.Join(s.use, ":"))
	if list {
		cmd.Env = append(cmd.Env, "STORAGE_TEST_LIST=1")
	}
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// isGuardNow reports whether a folder is the guard folder of the journal's.
func isGuardNow(t *testing.T, path string) bool {
	t.Helper()
	j, err := readJournal()
	require.NoError(t, err)
	f := j.folder(path)
	return f != nil && j.isGuard(f, path)
}
