package patch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

func manifestFile(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "etcd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(small), 0o600))
	return dir, path
}

func slower() Settings { return Settings{Liveness: &Probe{Period: 20, Reason: "slow"}} }

func TestApplyFile(t *testing.T) {
	dir, path := manifestFile(t)
	changes, err := ApplyFile(path, slower())
	require.NoError(t, err)
	assert.Len(t, changes, 1)
	want, _, err := Apply([]byte(small), slower())
	require.NoError(t, err)
	assert.Equal(t, string(want), string(read(t, path)))

	before, err := os.Stat(path)
	require.NoError(t, err)
	changes, err = ApplyFile(path, slower())
	require.NoError(t, err)
	assert.Empty(t, changes)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "nothing to do, nothing written")
	assert.Equal(t, before.ModTime(), after.ModTime())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file stays")
}

func TestOddModes(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o444, 0o400, 0o777, 0o000, 0o644 | fs.ModeSetuid,
		0o650 | fs.ModeSetgid | fs.ModeSticky} {
		_, path := manifestFile(t)
		require.NoError(t, os.Chmod(path, mode))
		if f, err := os.Open(path); err != nil {
			continue // not root, and not readable
		} else {
			require.NoError(t, f.Close())
		}
		_, err := ApplyFile(path, slower())
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode())
	}
}

func TestOddOwners(t *testing.T) {
	roottest.Need(t, "files are given away")
	_, path := manifestFile(t)
	require.NoError(t, os.Chown(path, 1234, 5678))
	require.NoError(t, os.Chmod(path, 0o640|fs.ModeSetgid))
	_, err := ApplyFile(path, slower())
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, uint32(1234), info.Sys().(*syscall.Stat_t).Uid)
	assert.Equal(t, uint32(5678), info.Sys().(*syscall.Stat_t).Gid)
	assert.Equal(t, 0o640|fs.ModeSetgid, info.Mode())
}

func TestSymbolicLinks(t *testing.T) {
	dir, path := manifestFile(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	real := filepath.Join(dir, "real", "etcd.yaml")
	require.NoError(t, os.Rename(path, real))
	for _, to := range []string{"real/etcd.yaml", real} {
		require.NoError(t, os.WriteFile(real, []byte(small), 0o600))
		require.NoError(t, os.Symlink(to, path))
		_, err := ApplyFile(path, slower())
		require.NoError(t, err)
		assert.Contains(t, string(read(t, real)), "periodSeconds: 20")
		link, err := os.Readlink(path)
		require.NoError(t, err)
		assert.Equal(t, to, link, "the link stays")
		require.NoError(t, os.Remove(path))
	}
	elsewhere := filepath.Join(t.TempDir(), "etcd.yaml")
	require.NoError(t, os.WriteFile(elsewhere, []byte(small), 0o600))
	require.NoError(t, os.Symlink(elsewhere, path))
	_, err := ApplyFile(path, slower())
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, path, refused.File)
	assert.Contains(t, err.Error(), "leads out of its folder")
	assert.Equal(t, small, string(read(t, elsewhere)))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("etcd.yaml", path))
	_, err = ApplyFile(path, slower())
	require.Error(t, err, "a link to itself")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("gone", path))
	_, err = ApplyFile(path, slower())
	require.ErrorIs(t, err, fs.ErrNotExist)
	// A folder that is reached by a link is the owner's choice.
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "again")))
	require.NoError(t, os.WriteFile(real, []byte(small), 0o600))
	_, err = ApplyFile(filepath.Join(dir, "again", "real", "etcd.yaml"), slower())
	require.NoError(t, err)
}

func TestFilesThatAreNone(t *testing.T) {
	dir, path := manifestFile(t)
	_, err := ApplyFile(filepath.Join(dir, "none.yaml"), slower())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ApplyFile(dir, slower())
	assert.ErrorContains(t, err, "not a regular file")
	pipe := filepath.Join(dir, "pipe.yaml")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = ApplyFile(pipe, slower())
	assert.ErrorContains(t, err, "not a regular file")
	_, err = ApplyFile("/dev/null", slower())
	assert.ErrorContains(t, err, "not a regular file")

	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(small, "Pod", "Secret", 1)), 0o600))
	before, err := os.Stat(path)
	require.NoError(t, err)
	_, err = ApplyFile(path, slower())
	assert.EqualError(t, err, "patch manifest "+path+`: line 1: not a Pod: kind is "Secret"`)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
}

func TestWriteFile(t *testing.T) {
	dir, path := manifestFile(t)
	fresh := filepath.Join(dir, "fresh.yaml")
	require.NoError(t, WriteFile(fresh, []byte("x"), nil))
	info, err := os.Stat(fresh)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())

	require.ErrorIs(t, WriteFile(filepath.Join(dir, "gone", "etcd.yaml"), []byte("x"), nil), fs.ErrNotExist)
	// A folder in the way: the old text stays, the temporary file does not.
	inTheWay := filepath.Join(dir, "folder.yaml")
	require.NoError(t, os.MkdirAll(filepath.Join(inTheWay, "full"), 0o700))
	require.Error(t, WriteFile(inTheWay, []byte("x"), nil))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 3)
	assert.Equal(t, small, string(read(t, path)))
}

// TestTheKubeletSeesWholeManifestsOnly looks into the folder as the kubelet does
// (every name without a leading dot) while a manifest is written again and again.
func TestTheKubeletSeesWholeManifestsOnly(t *testing.T) {
	dir, path := manifestFile(t)
	texts := []string{small, small + "# " + strings.Repeat("x", 100_000) + "\n"}
	done := make(chan error)
	go func() {
		var failed error
		for i := range 200 {
			failed = errors.Join(failed, WriteFile(path, []byte(texts[i%2]), nil))
		}
		done <- failed
	}()
	for {
		names, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
		require.NoError(t, err)
		require.Equal(t, []string{path}, names)
		require.Contains(t, texts, string(read(t, path)))
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
	}
}

func TestDiff(t *testing.T) {
	assert.Empty(t, Diff("etcd.yaml", []byte(small), []byte(small)))
	after, _, err := Apply([]byte(small), slower())
	require.NoError(t, err)
	assert.Equal(t, `--- etcd.yaml
+++ etcd.yaml
@@ -10,5 +10,6 @@
     livenessProbe:
       # the owner's remark
       httpGet: {path: /health, port: 2381}
+      periodSeconds: 20
       timeoutSeconds: 15 # enough
     name: etcd
`, Diff("etcd.yaml", []byte(small), after))
}
