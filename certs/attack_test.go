package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// requirePairs asks that no certificate stands beside another one's key.
func requirePairs(t *testing.T, n node, why string) {
	t.Helper()
	for _, l := range leaves(n.dir) {
		cert, err := n.board(nil).root().Read(l.File, maxFile)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		key, err := n.board(nil).root().Read(l.Key, maxFile)
		require.NoError(t, err)
		if l.Form == Kubeconfig {
			c, err := readCredentials(cert)
			require.NoError(t, err)
			cert, key = c.cert, c.key
		}
		_, err = tls.X509KeyPair(cert, key)
		require.NoError(t, err, "%s: %s", why, l.Name)
	}
}

// full has the disk fail from the nth change on.
func full(nth int) durable.Hook {
	changes := 0
	return func(c durable.Change) error {
		if c.Done {
			return nil
		}
		if changes++; changes >= nth {
			return syscall.ENOSPC
		}
		return nil
	}
}

// A second bootstrap in the same second, or after the clock was set back, neither writes over
// what the first one kept nor removes it when it fails.
func TestBootstrapAgain(t *testing.T) {
	const token = "abcdef.0123456789abcdef"
	for at := 1; at < 20; at++ {
		n := newNode(t, "ECDSA-P256")
		old, err := os.ReadFile(filepath.Join(n.root, KubeletConf))
		require.NoError(t, err)
		kept, err := n.board(nil).Bootstrap(token)
		require.NoError(t, err)
		n.put(KubeletConf, conf("second", []byte("c"), []byte("k")), 0o600) // by a kubelet that got one
		again, err := n.board(full(at)).Bootstrap(token)
		if err == nil {
			require.NotEqual(t, kept, again)
			require.Greater(t, at, 5)
		}
		for file, want := range map[string]string{KubeletConf: string(old), KubeletClient: "PRIVATE KEY"} {
			text, err := os.ReadFile(filepath.Join(n.root, kept, file))
			require.NoError(t, err, "at %d", at)
			require.Contains(t, string(text), want, "at %d", at)
		}
		if err == nil {
			return
		}
	}
	t.Fatal("it never succeeded")
}

// A bootstrap with nothing left to keep leaves no empty folder and names none.
func TestBootstrapKeepsNothingTwice(t *testing.T) {
	const token = "abcdef.0123456789abcdef"
	n := newNode(t, "ECDSA-P256")
	kept, err := n.board(nil).Bootstrap(token)
	require.NoError(t, err)
	again, err := n.board(nil).Bootstrap(token)
	require.NoError(t, err)
	assert.Empty(t, again)
	all, err := filepath.Glob(filepath.Join(n.root, state, "certs-*"))
	require.NoError(t, err)
	assert.Equal(t, []string{n.root + kept}, all)
}

// A renewal that is complete but for the restart is followed by a second one, which is
// killed anywhere, or which the disk fails: no key stands beside another certificate, and
// the restart is not forgotten.
func TestRenewedTwice(t *testing.T) {
	whole := newNode(t, "ECDSA-P256")
	_, err := whole.board(nil).Renew(t.Context(), whole.look(), Decide(whole.look(), ask(later)), 0)
	require.NoError(t, err)
	all := Ask{Now: later, Within: Within, All: true}
	for _, how := range []string{"killed", "full"} {
		for at := 1; ; at += 7 { // seven is no divisor of the changes of one file
			n := whole.copy()
			changes := 0
			hook := full(at)
			if how == "killed" {
				hook = func(durable.Change) error {
					if changes++; changes == at {
						panic(errKilled)
					}
					return nil
				}
			}
			var err error
			killed := died(func() {
				_, err = n.board(hook).Renew(t.Context(), n.look(), Decide(n.look(), all), 0)
			})
			require.True(t, n.board(nil).Pending(), "%s at %d: the restart is forgotten", how, at)
			_, completed := n.board(nil).Complete(n.look())
			require.NoError(t, completed)
			requirePairs(t, n, fmt.Sprintf("%s at %d", how, at))
			require.True(t, n.board(nil).Pending(), "%s at %d: the restart is forgotten", how, at)
			if !killed && err == nil {
				require.Greater(t, at, 50)
				break
			}
		}
	}
	require.NoError(t, whole.board(nil).Finish())
	require.False(t, whole.board(nil).Pending())
}

// What cannot be replaced is found before anything is.
func TestImmutableCertificate(t *testing.T) {
	for _, name := range []string{defaultPKI + "/etcd/peer.crt", defaultPKI + "/etcd"} {
		n := newNode(t, "ECDSA-P256")
		f, err := os.Open(filepath.Join(n.root, name))
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		const immutable = 0x10 // FS_IMMUTABLE_FL of <linux/fs.h>
		require.NoError(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, immutable))
		free := func() { _ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0) }
		t.Cleanup(free)
		before := n.tree()
		_, err = n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
		require.ErrorContains(t, err, "immutable")
		require.ErrorContains(t, err, name)
		require.ErrorAs(t, err, new(*LockedError))
		assert.Equal(t, before, n.tree())
		free()
		_, err = n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
		require.NoError(t, err)
		requireRenewed(t, n, "ECDSA-P256", Year)
	}
}

// A file that is a mount of its own cannot be renamed over.
func TestMountedCertificate(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	file := filepath.Join(n.root, defaultPKI, "apiserver.crt")
	require.NoError(t, unix.Mount(file, file, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(file, unix.MNT_DETACH) })
	before := n.tree()
	_, err := n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.ErrorContains(t, err, "apiserver.crt is a mount")
	require.ErrorAs(t, err, new(*LockedError))
	assert.Equal(t, before, n.tree())
}

// A certificate whose key is another one's, or is gone, is renewed, whenever it ends: kubeadm
// writes one after the other, and a power cut comes between.
func TestKeyOfAnother(t *testing.T) {
	for name, spoil := range map[string]func(n node) error{
		"apiserver: gone": func(n node) error { return os.Remove(n.root + defaultPKI + "/apiserver.key") },
		"etcd-peer: another": func(n node) error {
			return os.Rename(n.root+defaultPKI+"/etcd/server.key", n.root+defaultPKI+"/etcd/peer.key")
		},
		"kubelet-client: torn": func(n node) error {
			file := n.root + KubeletPKI + "/kubelet-client-2025-03-01-12-00-00.pem"
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, text[:len(text)-60], 0o600)
		},
		"kubelet: empty": func(n node) error { return os.Truncate(n.root+KubeletPKI+"/kubelet.key", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "ECDSA-P256")
			require.NoError(t, spoil(n))
			leaf, _, _ := strings.Cut(name, ":")
			soon := born.AddDate(0, 1, 0)
			d := Decide(n.look(), ask(soon))
			require.True(t, d.Renews(leaf), "%v", d)
			require.Contains(t, StatusOf(n.look(), Clock{Now: soon}).Text(), "key")
			_, err := n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
			require.NoError(t, err)
			requireRenewed(t, n, "ECDSA-P256", Year)
		})
	}
}

// A damaged journal is named with a way out, which works: what was put into place and
// what was not are made anew.
func TestDamagedRenewal(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"files":["../x"]}`, `{"files":["/etc/shadow"],"kept":"/etc"}`} {
		n := newNode(t, "ECDSA-P256")
		changes := 0
		b := n.board(func(c durable.Change) error {
			if c.Op == "rename" && !c.Done {
				if changes++; changes == 6 {
					panic(errKilled)
				}
			}
			return nil
		})
		require.True(t, died(func() { _, _ = b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0) }))
		n.put("/etc/.shadow"+suffix, []byte("forged"), 0o600)
		n.put("/etc/shadow", []byte("root"), 0o600)
		n.put(journalFile, []byte(text), 0o600)
		_, err := n.board(nil).Complete(n.look())
		require.Error(t, err, text)
		var hint interface{ Hint() string }
		require.ErrorAs(t, err, &hint)
		require.Contains(t, hint.Hint(), "rm "+n.root+journalFile)
		require.NoError(t, os.Remove(n.root+journalFile))
		_, err = n.board(nil).Complete(n.look())
		require.NoError(t, err)
		_, err = n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
		require.NoError(t, err)
		requireRenewed(t, n, "ECDSA-P256", Year)
	}
}

// Certificates beside the kubeconfigs.
func TestCertificatesInKubernetes(t *testing.T) {
	n := node{t, inMemory(t), kubernetesDir, "ECDSA-P256", Year}
	n.make()
	_, err := n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.NoError(t, err)
	requireRenewed(t, n, "ECDSA-P256", Year)
}
