package safefile

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const limit = 1 << 20

func write(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// TestRefuses has one row for each kind of file that blocks, never ends or is too
// large. None of the reads may hang: the test would not end.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, unix.Mkfifo(at("fifo"), 0o644))
	require.NoError(t, os.Symlink("fifo", at("link to a fifo")))
	require.NoError(t, os.Symlink("/dev/zero", at("link to zero")))
	require.NoError(t, os.Mkdir(at("folder"), 0o755))
	socket, err := net.Listen("unix", at("socket"))
	require.NoError(t, err)
	defer socket.Close()
	write(t, at("sparse"), "")
	require.NoError(t, os.Truncate(at("sparse"), 1<<40))
	write(t, at("large"), strings.Repeat("a", limit+1))
	for name, want := range map[string]string{
		at("fifo"): "is a named pipe (FIFO)", at("link to a fifo"): "is a named pipe (FIFO)", at("link to zero"): "is a device",
		"/dev/zero": "is a device", "/dev/tty": "is a device", at("folder"): "is a folder", at("socket"): "is a socket",
		at("sparse"): "is larger than 1 MiB", at("large"): "is larger than 1 MiB",
	} {
		_, err := Read(name, limit)
		var refused *RefusedError
		if assert.ErrorAs(t, err, &refused, name) {
			assert.Contains(t, err.Error(), name+" "+want)
			assert.NotEmpty(t, refused.Hint())
		}
	}
	_, err = Read(at("none"), limit)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// TestNeverWaits reads files that block although their mode is that of a regular one.
func TestNeverWaits(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	_, err := Root(filepath.Join(dir, "fifo")).Read("etc/hostname", limit)
	assert.ErrorContains(t, err, "not a folder")
	if os.Geteuid() == 0 {
		// What is there first, if anything, and then the error.
		_, err := Read("/proc/kmsg", 1<<30)
		assert.Error(t, err)
	}
}

func TestRead(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "f"), "0123456789")
	text, err := Read(path, 10)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(text), "as much as the limit is not too much")
	_, err = Read(path, 9)
	assert.ErrorContains(t, err, "is larger than 9 bytes")
	text, err = Head(path, 3)
	require.NoError(t, err)
	assert.Equal(t, "012", string(text))
	text, err = Tail(path, 3)
	require.NoError(t, err)
	assert.Equal(t, "789", string(text))
	text, err = Tail(path, 30)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(text))
}

// TestKernelFiles reads files that have no size, or a page's whatever they hold.
func TestKernelFiles(t *testing.T) {
	text, err := Read("/proc/self/stat", limit)
	require.NoError(t, err)
	assert.Contains(t, string(text), strconv.Itoa(os.Getpid()))
	_, err = Read("/proc/self/stat", 8)
	assert.ErrorContains(t, err, "is larger than 8 bytes", "what is read is counted, not the size that stat(2) gives")
	text, err = Read("/sys/devices/system/cpu/present", limit)
	require.NoError(t, err)
	assert.NotEmpty(t, text)
	text, err = Tail("/proc/self/stat", 5)
	require.NoError(t, err)
	assert.Len(t, text, 5)
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"c", "a", "b"} {
		write(t, filepath.Join(dir, name), "")
	}
	entries, err := List(dir, 3)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	assert.Equal(t, "a", entries[0].Name())
	_, err = List(dir, 2)
	assert.ErrorContains(t, err, dir+" holds more than 2 entries")
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	_, err = List(filepath.Join(dir, "fifo"), 2)
	assert.ErrorIs(t, err, unix.ENOTDIR)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pki/ca.crt", "pki/etcd/ca.crt", "admin.conf", "empty/x/y"} {
		write(t, filepath.Join(dir, name), "")
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "empty/x/y")))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "pki/loop")))
	all, err := Files(dir, 4)
	require.NoError(t, err)
	assert.Equal(t, []string{"admin.conf", "pki/ca.crt", "pki/etcd/ca.crt", "pki/loop"}, all)
	_, err = Files(dir, 3)
	assert.ErrorContains(t, err, "holds more than 3 entries")
	all, err = Files(filepath.Join(dir, "none"), 3)
	assert.NoError(t, err)
	assert.Empty(t, all)
}

// TestRoot follows links as a program does that has the folder for its root.
func TestRoot(t *testing.T) {
	outside := t.TempDir()
	secret := write(t, filepath.Join(outside, "shadow"), "secret")
	dir := filepath.Join(outside, "card")
	write(t, filepath.Join(dir, "usr/lib/os-release"), "board")
	write(t, filepath.Join(dir, filepath.Dir(secret), "own"), "its own")
	link := func(target, name string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	link("../usr/lib/os-release", "etc/relative")
	link("/usr/lib/os-release", "etc/absolute")
	link("/usr/lib", "etc/folder")
	link("../../../../../../../usr/lib/os-release", "etc/above")
	link(secret, "etc/secret")
	link(outside, "etc/outside")
	link("../../shadow", "etc/beside")
	link("loop", "etc/loop")
	link("/proc/self/root"+secret, "etc/magic")
	link("/dev/zero", "etc/zero")
	root := Root(dir)
	for _, name := range []string{"etc/relative", "/etc/absolute", "etc/folder/os-release", "etc/above"} {
		text, err := root.Read(name, limit)
		require.NoError(t, err, name)
		assert.Equal(t, "board", string(text), name)
	}
	text, err := root.Read("etc/outside/own", limit)
	require.NoError(t, err)
	assert.Equal(t, "its own", string(text), "an absolute link leads to the root's own file")
	for _, name := range []string{"etc/secret", "etc/beside", "etc/outside/shadow", "etc/magic", "etc/zero", "../shadow",
		"etc/loop", "etc/relative/x"} {
		_, err := root.Read(name, limit)
		assert.Error(t, err, name)
		_, err = fs.ReadFile(root.FS(limit, 10), strings.TrimLeft(name, "./"))
		assert.Error(t, err, name)
	}
	entries, err := root.List("etc/folder", 10)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
	_, err = root.List("etc", 3)
	assert.ErrorContains(t, err, "holds more than 3 entries")
	info, err := root.Lstat("etc/absolute")
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink)
	info, err = root.Stat("etc/absolute")
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
	target, err := root.Readlink("etc/secret")
	require.NoError(t, err)
	assert.Equal(t, secret, target)
	assert.Equal(t, filepath.Join(dir, "etc/x"), root.At("/etc/x"))
}

// TestMachine has nothing outside, so links lead wherever they do.
func TestMachine(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "f"), "text")
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "link")))
	text, err := Root("/").Read(filepath.Join(dir, "link"), limit)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	text, err = fs.ReadFile(Root("/").FS(limit, 10), "proc/self/stat")
	require.NoError(t, err)
	assert.NotEmpty(t, text)
}

func TestFS(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sys/cpu0/freq"), "1")
	write(t, filepath.Join(dir, "sys/cpu1/freq"), "2")
	fsys := Root(dir).FS(limit, 100)
	require.NoError(t, fstest.TestFS(fsys, "sys/cpu0/freq", "sys/cpu1/freq"))
	names, err := fs.Glob(fsys, "sys/cpu*/freq")
	require.NoError(t, err)
	assert.Len(t, names, 2)
}

func TestWait(t *testing.T) {
	n, err := Wait(t.Context(), func() (int, error) { return 1, fs.ErrExist })
	assert.Equal(t, 1, n)
	assert.ErrorIs(t, err, fs.ErrExist)

	ctx, cancel := context.WithCancel(t.Context())
	never, begun := make(chan struct{}), make(chan struct{})
	defer close(never)
	go func() {
		<-begun
		cancel()
	}()
	_, err = Wait(ctx, func() (int, error) {
		close(begun)
		<-never
		return 0, nil
	})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = Wait(ctx, func() (int, error) { return 0, errors.New("not to be called") })
	assert.ErrorIs(t, err, context.Canceled)

	_, err = Wait(t.Context(), func() (int, error) { panic("broken") })
	assert.ErrorContains(t, err, "a fault in kubeadm-arm itself, at safefile/safefile_test.go:")
}

// A root may be named from the working folder, with "..", too.
func TestRelativeRoot(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "card/etc"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "here"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "card/etc/a"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink("/etc/a", filepath.Join(dir, "card/b")))
	t.Chdir(filepath.Join(dir, "here"))
	for _, root := range []Root{"../card", "../card/", "../here/../card/."} {
		text, err := root.Read("/b", 10)
		require.NoError(t, err, root)
		assert.Equal(t, "x", string(text))
		at, err := root.Resolve("b")
		require.NoError(t, err)
		assert.Equal(t, "/etc/a", at)
	}
}
