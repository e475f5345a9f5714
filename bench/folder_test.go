package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Tests of what happens before or without a certain step take the quick budget.
// Those that need one have time for it on the busiest machine: a step is done
// when it has measured enough, not when the budget is spent.
const (
	quick = 700 * time.Millisecond
	ample = 2 * time.Minute
)

func requireEmpty(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries, "the benchmark left a file behind")
}

func TestRunLeavesNoFile(t *testing.T) {
	folder := t.TempDir()
	r, err := Run(t.Context(), Options{Short: true, Budget: ample, Folders: []string{folder}})
	require.NoError(t, err)
	requireEmpty(t, folder)
	require.Len(t, r.Folders, 1)
	assert.Equal(t, folder, r.Folders[0].Path)
	assert.Positive(t, r.Folders[0].Free)
	s, ok := r.Sample(DiskSample(folder, patternFsync), Wall)
	require.True(t, ok)
	assert.Positive(t, s.Median)
	assert.LessOrEqual(t, s.Median, s.P90)
	assert.LessOrEqual(t, s.P90, s.P99)
	assert.LessOrEqual(t, s.P99, s.Max)
}

func TestRunLeavesNoFileWhenCancelled(t *testing.T) {
	for _, at := range []string{"mutual TLS handshakes, RSA-2048", "fsync", "write", "random"} {
		t.Run(at, func(t *testing.T) {
			folder := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reached := false
			_, err := Run(ctx, Options{Budget: ample, Folders: []string{folder}, Progress: func(step string, _, _ int) {
				if step == at || step == at+" in "+folder {
					reached = true
					// Not at once: so that the step is under way.
					time.AfterFunc(20*time.Millisecond, cancel)
				}
			}})
			require.ErrorIs(t, err, context.Canceled)
			assert.True(t, reached)
			requireEmpty(t, folder)
		})
	}
}

func TestRunKeepsWhatItHasWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Run(ctx, Options{Short: true, Budget: ample, Progress: func(_ string, done, _ int) {
		if done == 2 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	_, ok := r.Sample(goWorkName+"/one-core", CPU)
	assert.True(t, ok)
	assert.Contains(t, fmt.Sprint(r.Warnings), "no time was left for: mutual TLS handshakes, ECDSA P-256")
}

func TestFilesOfKilledRunsAreRemoved(t *testing.T) {
	folder := t.TempDir()
	stale := filepath.Join(folder, filePrefix+"123")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	running, err := newScratch(folder)
	require.NoError(t, err)
	assert.NoFileExists(t, stale)

	other, err := newScratch(folder)
	require.NoError(t, err)
	assert.FileExists(t, running.file.Name(), "the file of a run that is still going on was removed")
	require.NoError(t, other.remove())
	require.NoError(t, running.remove())
	requireEmpty(t, folder)
}

func TestFolderErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		folder string
		cause  error
		text   string
		hint   string
	}{
		{missing, os.ErrNotExist, "measure the disk: look at " + missing + ": no such file or directory", "create the folder first or name one that exists"},
		{file, unix.ENOTDIR, "measure the disk: look at " + file + ": not a directory", ""},
	} {
		_, err := Run(t.Context(), Options{Short: true, Budget: quick, Folders: []string{c.folder}})
		require.ErrorIs(t, err, c.cause)
		var folder *FolderError
		require.ErrorAs(t, err, &folder)
		assert.Equal(t, c.folder, folder.Folder)
		assert.EqualError(t, err, c.text)
		assert.Equal(t, c.hint, folder.Hint())
	}
}

func TestOneBadFolderOfTwoLeavesNoFileInTheOther(t *testing.T) {
	good := t.TempDir()
	_, err := Run(t.Context(), Options{Short: true, Budget: quick, Folders: []string{good, "/does/not/exist"}})
	require.ErrorIs(t, err, os.ErrNotExist)
	requireEmpty(t, good)
}

// outcome is what measureHelper tells its test.
type outcome struct {
	Error    string
	Hint     string
	Full     bool
	Errno    syscall.Errno
	Left     int
	Warnings []Warning
}

// measureHelper mounts what its arguments say, in the mount namespace that the
// test gave this process, so that nothing stays mounted, and measures there:
// FOLDER and either tmpfs options, "fill" options or "none".
func measureHelper() {
	folder, kind := os.Args[1], os.Args[2]
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if kind != "none" {
		fatal(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		fatal(unix.Mount("tmpfs", folder, "tmpfs", 0, os.Args[3]))
	}
	o := Options{Short: true, Budget: quick, Folders: []string{folder}}
	switch kind {
	case "readonly":
		fatal(unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	case "fill":
		o.Budget = ample
		// The disk becomes full between two writes: a hole where the reserved
		// space was, and somebody else's data in all the rest.
		o.Progress = func(step string, _, _ int) {
			if step != patternFsync+" in "+folder {
				return
			}
			entries, err := os.ReadDir(folder)
			fatal(err)
			fatal(os.Truncate(filepath.Join(folder, entries[0].Name()), 0))
			f, err := os.Create(filepath.Join(folder, "other"))
			fatal(err)
			for err == nil {
				_, err = f.Write(make([]byte, 64<<10))
			}
			for n := 4096; n > 0; n /= 2 {
				f.Write(make([]byte, n))
			}
		}
	}
	r, err := Run(context.Background(), o)
	out := outcome{Warnings: r.Warnings}
	var broken *FolderError
	if errors.As(err, &broken) {
		out.Hint, out.Full = broken.Hint(), broken.Full()
	}
	errors.As(err, &out.Errno)
	if err != nil {
		out.Error = err.Error()
	}
	entries, err := os.ReadDir(folder)
	fatal(err)
	for _, e := range entries {
		if e.Name() != "other" {
			out.Left++
		}
	}
	fatal(json.NewEncoder(os.Stdout).Encode(out))
}

// inNamespace runs measureHelper where it may mount, as root or not.
func inNamespace(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := helper(t, "measure", args...)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	require.NoError(t, err)
	var o outcome
	require.NoError(t, json.Unmarshal(text, &o))
	return o
}

func TestDiskTooSmall(t *testing.T) {
	folder := t.TempDir()
	o := inNamespace(t, folder, "tmpfs", "size=1m")
	assert.Equal(t, "measure the disk: reserve space in "+folder+": no space left on device", o.Error)
	assert.Equal(t, "free 10 MB there or name another folder", o.Hint)
	assert.True(t, o.Full)
	assert.Zero(t, o.Left)
}

func TestDiskBecomesFull(t *testing.T) {
	folder := t.TempDir()
	o := inNamespace(t, folder, "fill", "size=12m")
	assert.Equal(t, "measure the disk: write to a file in "+folder+": no space left on device", o.Error)
	assert.True(t, o.Full)
	assert.Zero(t, o.Left)
}

func TestReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	o := inNamespace(t, folder, "readonly", "size=1m")
	assert.Equal(t, "measure the disk: create a file in "+folder+": read-only file system", o.Error)
	assert.Equal(t, unix.EROFS, o.Errno)
	assert.Contains(t, o.Hint, "read-only")
}

func TestFolderInMemoryIsToldApart(t *testing.T) {
	folder := t.TempDir()
	o := inNamespace(t, folder, "tmpfs", "size=20m")
	assert.Empty(t, o.Error)
	assert.Contains(t, o.Warnings, Warning{WarnInMemory, folder + " lies in memory (tmpfs): its figures say nothing " +
		"about a disk"})
	assert.Zero(t, o.Left)
}

func TestForbiddenFolder(t *testing.T) {
	// Not t.TempDir: others may not enter its parent.
	folder, err := os.MkdirTemp("", "bench-forbidden-")
	require.NoError(t, err)
	t.Cleanup(func() { os.Remove(folder) })
	require.NoError(t, os.Chmod(folder, 0o555))
	cmd := helper(t, "measure", folder, "none")
	if os.Getuid() == 0 {
		// Root may write anywhere, and the test binary may lie where only root can
		// enter: it is opened before the change of user.
		self, err := os.Open(cmd.Path)
		require.NoError(t, err)
		defer self.Close()
		cmd.ExtraFiles = []*os.File{self}
		cmd.Path = "/proc/self/fd/3"
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
	}
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	require.NoError(t, err)
	var o outcome
	require.NoError(t, json.Unmarshal(text, &o))
	assert.Equal(t, "measure the disk: create a file in "+folder+": permission denied", o.Error)
	assert.Equal(t, "run as root or name a folder that you may write to", o.Hint)
}

func TestNearestFolder(t *testing.T) {
	folder := t.TempDir()
	assert.Equal(t, folder, NearestFolder(folder))
	assert.Equal(t, folder, NearestFolder(filepath.Join(folder, "var", "lib", "etcd")))
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	assert.Equal(t, folder, NearestFolder(filepath.Join(file, "x")))
	assert.Equal(t, "/", NearestFolder("/"))
}
