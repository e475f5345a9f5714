package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// mount puts a file system of its own at path for the time of the test.
func mount(t *testing.T, path, options string) {
	t.Helper()
	roottest.Need(t, "file systems are mounted")
	require.NoError(t, os.MkdirAll(path, 0o755))
	require.NoError(t, syscall.Mount("test", path, "tmpfs", 0, options))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(path, syscall.MNT_DETACH)) })
}

// mountCard puts a small ext4 on a loop device at path, as on an SD card.
func mountCard(t *testing.T, path string) {
	t.Helper()
	roottest.Need(t, "file systems are mounted")
	image := filepath.Join(t.TempDir(), "card")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 40<<20))
	require.NoError(t, os.MkdirAll(path, 0o755))
	for _, words := range [][]string{{"mkfs.ext4", "-q", "-m", "0", "-b", "4096", image}, {"mount", "-o", "loop", image,
		path}} {
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", words, out)
	}
	t.Cleanup(func() {
		if !assert.NoError(t, syscall.Unmount(path, 0), "nothing is left open there") {
			_ = syscall.Unmount(path, syscall.MNT_DETACH) // the loop device must not outlive the test
		}
	})
	require.NoError(t, os.Remove(filepath.Join(path, "lost+found")))
}

// A disk that is really full, for every amount of room from none to enough:
// /etc/kubernetes is a small file system of its own, in memory and on a loop
// device. Nothing is left half written, the error says ENOSPC, and with room the
// same request goes on.
func TestDiskIsFull(t *testing.T) {
	for name, put := range map[string]func(*testing.T, string){
		"tmpfs": func(t *testing.T, path string) { mount(t, path, "size=32m,mode=755") },
		"ext4":  mountCard,
	} {
		t.Run(name, func(t *testing.T) { diskIsFull(t, put) })
	}
}

func diskIsFull(t *testing.T, put func(*testing.T, string)) {
	roottest.Need(t, "file systems are mounted")
	want, _ := undisturbed(t)
	failed := 0
	for pages := 0; pages <= 24; pages++ {
		t.Run(fmt.Sprint(pages, " pages free"), func(t *testing.T) {
			b := newFakeBoard(t).withSystemd()
			put(t, b.layout.Kubernetes())
			require.NoError(t, os.MkdirAll(b.layout.Manifests(), 0o700))
			ballast := b.layout.At("/etc/kubernetes/ballast")
			o := b.optionsHere()
			var full sync.Once
			o.Layout.FS.Hook = func(c durable.Change) error {
				if c.Op == "write" { // the first one: other programs fill the disk after our look at it
					full.Do(func() { fill(t, ballast, pages*os.Getpagesize()) })
				}
				return nil
			}
			_, err := Run(context.Background(), o)
			if err != nil {
				failed++
				assert.Contains(t, err.Error(), "no space left on device")
				b.requireNothingLost()
				assert.Empty(t, manifests.Staged(b.layout), "a rename needs no room")
			}
			require.NoError(t, os.Remove(ballast))
			if err == nil {
				assert.Equal(t, want["/etc/kubernetes/manifests/etcd.yaml"], b.tree()["/etc/kubernetes/manifests/etcd.yaml"])
				return
			}
			b.finishHere(want)
		})
	}
	assert.Greater(t, failed, 5, "the disk was full in the middle")
	assert.Less(t, failed, 25, "and had room at the end")
}

// finishHere is finishBy for a board whose /etc/kubernetes is a mount, whose
// folder has another mode.
func (b *fakeBoard) finishHere(want map[string]string) {
	o := b.optionsHere()
	j, err := Check(b.layout, o.Check)
	require.NoError(b.t, err)
	if o.Resume = j; j != nil {
		o.Plan = j.Plan
	}
	_, err = Run(context.Background(), o)
	require.NoError(b.t, err)
	got := b.tree()
	delete(got, "/etc/kubernetes")
	delete(want, "/etc/kubernetes")
	require.Equal(b.t, want, got)
}

// fill writes until only so many bytes are free.
func fill(t *testing.T, path string, free int) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	for {
		var fs syscall.Statfs_t
		require.NoError(t, syscall.Statfs(filepath.Dir(path), &fs))
		more := int(fs.Bavail)*int(fs.Bsize) - free
		if more <= 0 {
			break
		}
		// ext4 needs some of its room for itself.
		if _, err := f.Write(make([]byte, more)); errors.Is(err, syscall.ENOSPC) {
			break
		}
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
}

// A manifests folder that is a file system of its own: staged manifests wait
// inside it, in a folder that the kubelet does not read.
func TestManifestsOnAnotherFileSystem(t *testing.T) {
	b := newFakeBoard(t)
	mount(t, b.layout.Manifests(), "size=1m,mode=700")
	o := b.optionsHere()
	var places []string
	o.Layout.FS.Hook = func(c durable.Change) error {
		if c.Op == "rename" && c.Done {
			places = append(places, filepath.Base(filepath.Dir(c.Path)))
		}
		return nil
	}
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	staged := ".kubeadm-arm-staged"
	assert.Equal(t, []string{staged, staged, staged, "manifests", "manifests", "manifests"}, places)
	assert.Len(t, b.Manifests(), 4, "and that folder is gone")
}

// Links lead nowhere: a state folder or manifest that is one is refused, and a
// journal, configuration or unit that is one is replaced or refused, never
// written through.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Run("state folder", func(t *testing.T) {
		b := newFakeBoard(t)
		elsewhere := t.TempDir()
		require.NoError(t, os.Symlink(elsewhere, b.layout.State()))
		_, err := Run(context.Background(), b.optionsHere())
		require.ErrorContains(t, err, "is not a folder but a symbolic link")
		entries, err := os.ReadDir(elsewhere)
		require.NoError(t, err)
		assert.Empty(t, entries)
	})
	t.Run("state folder that others can write to", func(t *testing.T) {
		b := newFakeBoard(t)
		require.NoError(t, os.MkdirAll(b.layout.State(), 0o700))
		require.NoError(t, os.Chmod(b.layout.State(), 0o777))
		_, err := Run(context.Background(), b.optionsHere())
		require.ErrorContains(t, err, "can be written to by others (mode 0777)")
	})
	for _, name := range []string{"journal.json", "config.yaml", "lock"} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBoard(t)
			require.NoError(t, os.MkdirAll(b.layout.State(), 0o700))
			target := filepath.Join(t.TempDir(), "target")
			require.NoError(t, os.WriteFile(target, []byte("owner's"), 0o644))
			require.NoError(t, os.Symlink(target, filepath.Join(b.layout.State(), name)))
			_, _ = Run(context.Background(), b.optionsHere())
			text, err := os.ReadFile(target)
			require.NoError(t, err)
			assert.Equal(t, "owner's", string(text))
		})
	}
	t.Run("manifest", func(t *testing.T) {
		b := newFakeBoard(t)
		require.NoError(t, state.Open(b.layout))
		require.NoError(t, os.Symlink("/etc/hostname", b.layout.Manifest(plan.Etcd)))
		require.ErrorContains(t, manifests.Stage(b.layout, plan.Etcd), "is a symbolic link")
	})
}
