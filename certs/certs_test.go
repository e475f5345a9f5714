package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

func marshal(subject pkix.RDNSequence) ([]byte, error) { return asn1.Marshal(subject) }

func ask(now time.Time) Ask { return Ask{Now: now, Within: Within} }

// requireRenewed asks every certificate of a node: right key, right names, begun and
// not ended, and the files readable for root alone where they hold a key.
func requireRenewed(t *testing.T, n node, algorithm string, period time.Duration) {
	t.Helper()
	s := n.look()
	require.Empty(t, Decide(s, ask(later)).Renew)
	for _, l := range s.Leaves {
		require.NotNil(t, l.Certificate, l.Name)
		assert.Equal(t, algorithm, Algorithm(l.Certificate.PublicKey), l.Name)
		assert.Equal(t, "cn-"+l.Name, l.Certificate.Subject.CommonName)
		assert.Equal(t, period, Period(l.Certificate, nil), l.Name)
		root := n.board(nil).root()
		text, err := root.Read(l.Key, maxFile)
		require.NoError(t, err)
		cert, err := root.Read(l.File, maxFile)
		require.NoError(t, err)
		if l.Form == Kubeconfig {
			c, err := readCredentials(text)
			require.NoError(t, err)
			cert, text = c.cert, c.key
		}
		_, err = tls.X509KeyPair(cert, text)
		require.NoError(t, err, l.Name)
		info, err := root.Stat(l.Key)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode(), l.Key)
	}
}

// notRenewed matches what a renewal leaves as it is, and so keeps no copy of.
var notRenewed = regexp.MustCompile(`/ca\.|front-proxy-ca\.|manifests|-current\.pem$`)

func TestRenew(t *testing.T) {
	for _, algorithm := range []string{"RSA-2048", "ECDSA-P256"} {
		for _, dir := range []string{defaultPKI, "/srv/pki"} {
			t.Run(algorithm+dir, func(t *testing.T) {
				n := node{t, inMemory(t), dir, algorithm, 2 * Year}
				n.make()
				late := born.AddDate(3, 0, 0)
				b := n.board(nil)
				before := n.tree()
				d := Decide(n.look(), ask(late))
				assert.Len(t, d.Renew, 14, "all but kubelet-server, which is not there")
				assert.Empty(t, d.Refused)
				kept, err := b.Renew(t.Context(), n.look(), d, 0)
				require.NoError(t, err)
				requireRenewed(t, n, algorithm, 2*Year)
				require.True(t, b.Pending())
				require.NoError(t, b.Finish())
				for path, was := range before {
					if notRenewed.MatchString(path) {
						continue
					}
					old, err := os.ReadFile(filepath.Join(n.root, kept, path))
					require.NoError(t, err)
					assert.True(t, strings.HasSuffix(was, string(old)), path)
				}
				info, err := os.Stat(filepath.Join(n.root, kept))
				require.NoError(t, err)
				assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
			})
		}
	}
}

// What kubeadm cannot make as it was is made without it, and a kubeadm that makes
// something else is not believed.
func TestRenewNeverFallsBack(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	b := n.board(nil)
	b.Kubeadm.Renews = func(Leaf, string, time.Duration) bool { return false }
	_, err := b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.NoError(t, err)
	requireRenewed(t, n, "ECDSA-P256", Year)

	n = newNode(t, "ECDSA-P256")
	b = n.board(nil)
	before := n.tree()
	honest := b.Kubeadm.Renew
	b.Kubeadm.Renew = func(ctx context.Context, r Request) error { r.Algorithm = "RSA-2048"; return honest(ctx, r) }
	_, err = b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.ErrorContains(t, err, "its key is RSA-2048, and was ECDSA-P256")
	assert.Equal(t, before, n.tree())
	b.Kubeadm.Renew = func(ctx context.Context, r Request) error { r.Period = 24 * time.Hour; return honest(ctx, r) }
	_, err = b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.ErrorContains(t, err, "it is valid to")
	assert.Equal(t, before, n.tree())
	b.Kubeadm.Renew = func(context.Context, Request) error { return nil }
	_, err = b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.ErrorContains(t, err, "kubeadm has left it as it was")
	assert.Equal(t, before, n.tree())
}

func TestLongerValidity(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	d := Decide(n.look(), Ask{Now: later, Within: Within, All: true})
	_, err := n.board(nil).Renew(t.Context(), n.look(), d, 5*Year)
	require.NoError(t, err)
	requireRenewed(t, n, "ECDSA-P256", 5*Year)
	// The next renewal keeps it, and nothing outlives its authority.
	end := born.AddDate(9, 0, 0)
	b := n.board(nil)
	b.Kubeadm.Renews = func(Leaf, string, time.Duration) bool { return false }
	b.Now = func() time.Time { return end }
	require.NoError(t, b.Finish())
	_, err = b.Renew(t.Context(), n.look(), Decide(n.look(), ask(end)), 0)
	require.NoError(t, err)
	l, _ := n.look().Leaf("apiserver")
	a, _ := n.look().Authority("ca")
	assert.Equal(t, a.Certificate.NotAfter, l.Certificate.NotAfter)
}

func TestDecide(t *testing.T) {
	whole := newNode(t, "ECDSA-P256").look()
	refused := func(d Decision) string {
		if len(d.Refused) == 0 {
			return ""
		}
		return d.Refused[0].Name + ": " + d.Refused[0].Why
	}
	without := func(change func(*Authority)) Seen {
		s := whole
		s.Authorities = slices.Clone(whole.Authorities)
		change(&s.Authorities[0])
		return s
	}
	for name, c := range map[string]struct {
		s       Seen
		ask     Ask
		renew   int
		refused string
	}{
		"fresh":                       {whole, ask(born.AddDate(0, 6, 0)), 0, ""},
		"29 days left":                {whole, ask(born.AddDate(0, 0, 336)), 14, ""},
		"31 days left":                {whole, ask(born.AddDate(0, 0, 334)), 0, ""},
		"all, and fresh":              {whole, Ask{Now: born, All: true}, 14, ""},
		"before the CA":               {whole, ask(time.Unix(0, 0)), 0, "apiserver: the clock says 1970-01-01 00:00 UTC, and the authority ca begins on 2025-03-01 11:54 UTC"},
		"the clock may be wrong":      {whole, Ask{Now: later, Within: Within, Unsure: true}, 0, "apiserver: the clock may be wrong"},
		"external CA":                 {without(func(a *Authority) { a.HasKey = false }), ask(later), 6, "apiserver: the key of /etc/kubernetes/pki/ca.crt is not on this node (an external CA)"},
		"no CA":                       {without(func(a *Authority) { a.Name = "x" }), ask(later), 6, "apiserver: the authority ca is not on this node"},
		"broken CA":                   {without(func(a *Authority) { a.Certificate, a.Problem = nil, "it is empty" }), ask(later), 6, "apiserver: it is empty"},
		"another CA":                  {without(func(a *Authority) { a.Certificate = whole.Authorities[1].Certificate }), ask(later), 6, "apiserver: it was signed by kubernetes and not by /etc/kubernetes/pki/ca.crt"},
		"the CA has expired":          {whole, ask(born.AddDate(11, 0, 0)), 1, "apiserver: the authority ca itself expired on 2035-03-01 12:00 UTC, and the clock says 2036-03-01 12:00 UTC"},
		"made by a clock that ran on": {whole, ask(born.Add(-backdate - 30*time.Second)), 14, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(c.s, c.ask)
			assert.Len(t, d.Renew, c.renew)
			assert.Equal(t, c.refused, refused(d))
			for _, r := range d.Refused {
				assert.NotEmpty(t, r.Do)
			}
		})
	}
	assert.Len(t, Decide(whole, ask(born.AddDate(9, 6, 0))).Warnings, 1)
}

// A worker has no authority's key: the message names the one command.
func TestWorker(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.RemoveAll(filepath.Join(n.root, "/etc/kubernetes/manifests")))
	require.NoError(t, os.Remove(filepath.Join(n.root, "/etc/kubernetes/pki/ca.key")))
	require.NoError(t, os.Remove(filepath.Join(n.root, "/etc/kubernetes/kubelet.conf")))
	n.put(KubeletConf, fmt.Appendf(nil, `current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: eA==}}]
users: [{name: u, user: {client-certificate: %[1]s, client-key: %[1]s}}]
`, KubeletClient), 0o600)
	d := Decide(n.look(), ask(later))
	i := slices.IndexFunc(d.Refused, func(r Refusal) bool { return r.Name == "kubelet-client" })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, WorkerHint, d.Refused[i].Do)

	const token = "abcdef.0123456789abcdef"
	// Killed at any moment it can be done again.
	for at := 1; ; at++ {
		m := n.copy()
		changes := 0
		killed := died(func() {
			_, _ = m.board(func(durable.Change) error {
				if changes++; changes == at {
					panic(errKilled)
				}
				return nil
			}).Bootstrap(token)
		})
		_, err := m.board(nil).Bootstrap(token)
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(m.root, bootstrapConf))
		require.NoError(t, err)
		for _, want := range []string{"token: " + token, "https://10.0.0.1:6443", "certificate-authority-data: eA=="} {
			require.Contains(t, string(text), want)
		}
		require.NoFileExists(t, filepath.Join(m.root, KubeletConf))
		require.NoError(t, m.board(nil).EndBootstrap())
		if !killed {
			require.Greater(t, at, 8)
			break
		}
	}
	for _, bad := range []string{
		"", "x", token + "\n" + token, "abcdef.0123456789abcde", "ABCDEF.0123456789abcdef", "kubeadm join --token " + token,
	} {
		_, err := ParseToken([]byte(bad))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "0123456789")
	}
}

var errKilled = errors.New("killed")

// died runs do and reports whether it was ended by the hook's panic.
func died(do func()) (killed bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != errKilled { //nolint:errorlint // the very value
				panic(p)
			}
			killed = true
		}
	}()
	do()
	return false
}

// copy is an equal node.
func (n node) copy() node {
	m := n
	m.root = inMemory(n.t)
	out, err := exec.Command("cp", "-a", n.root+"/.", m.root).CombinedOutput()
	require.NoError(n.t, err, string(out))
	return m
}

// TestMain is the program that TestKilled kills.
func TestMain(m *testing.M) {
	root, at := os.Getenv("CERTS_KILL_ROOT"), os.Getenv("CERTS_KILL_AT")
	if root == "" {
		os.Exit(m.Run())
	}
	kill, _ := strconv.Atoi(at)
	changes := 0
	n := node{root: root, dir: defaultPKI}
	b := n.board(func(durable.Change) error {
		if changes++; changes == kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	s, err := Look(b.root())
	if err == nil {
		_, err = b.Complete(s)
	}
	if err == nil {
		s, err = Look(b.root())
	}
	if err == nil {
		_, err = b.Renew(context.Background(), s, Decide(s, ask(later)), 0)
	}
	if err == nil {
		err = b.Finish()
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilled kills a renewal with SIGKILL before and after each change of the disk.
// Then all is as it was, or the next run completes it; a mixture has a journal.
func TestKilled(t *testing.T) {
	whole := newNode(t, "ECDSA-P256")
	before := whole.tree()
	for at := 1; ; at++ {
		n := whole.copy()
		run := func(at int) error {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), "CERTS_KILL_ROOT="+n.root, "CERTS_KILL_AT="+strconv.Itoa(at))
			out, err := cmd.CombinedOutput()
			require.Empty(t, string(out), "at %d", at)
			return err
		}
		first := run(at)
		if !n.board(nil).Pending() && first != nil {
			now := n.tree()
			changed := 0
			for path, was := range before {
				if now[path] != was {
					changed++
				}
			}
			// Killed after the journal was removed it was complete.
			if changed > 0 {
				requireRenewed(t, n, "ECDSA-P256", Year)
			}
		}
		require.NoError(t, run(0), "at %d", at)
		requireRenewed(t, n, "ECDSA-P256", Year)
		require.False(t, n.board(nil).Pending())
		for path := range n.tree() {
			require.NotContains(t, path, suffix, "at %d", at)
			require.NotContains(t, path, work, "at %d", at)
		}
		if first == nil {
			require.Greater(t, at, 100)
			t.Logf("%d moments", at-1)
			break
		}
	}
}

// What a process left that was killed in the middle of a write is removed.
func TestSweep(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	before := n.tree()
	for _, half := range []string{
		defaultPKI + "/etcd/..peer.key" + suffix + "123",
		kubernetesDir + "/..admin.conf" + suffix + "9",
		KubeletPKI + "/.kubelet.key" + suffix,
	} {
		n.put(half, []byte("half"), 0o600)
	}
	kept, err := n.board(nil).Complete(n.look())
	require.NoError(t, err)
	assert.Empty(t, kept)
	assert.Equal(t, before, n.tree())
}

// TestDiskFails has each change of the disk fail: it is full, or read-only from then
// on. Then nothing has changed, or the next run completes it.
func TestDiskFails(t *testing.T) {
	whole := newNode(t, "ECDSA-P256")
	before := whole.tree()
	for _, failure := range []error{syscall.ENOSPC, syscall.EROFS} {
		for at := 1; ; at++ {
			n := whole.copy()
			changes := 0
			b := n.board(func(c durable.Change) error {
				if c.Done {
					return nil
				}
				changes++
				if changes == at || failure == syscall.EROFS && changes > at {
					return failure
				}
				return nil
			})
			_, err := b.Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
			if err == nil {
				require.Greater(t, at, 50)
				break
			}
			require.ErrorIs(t, err, failure)
			var halfway *HalfwayError
			if errors.As(err, &halfway) {
				require.True(t, n.board(nil).Pending(), "at %d", at)
			} else if !n.board(nil).Pending() {
				now := n.tree()
				for path, was := range before {
					require.Equal(t, was, now[path], "at %d: %s", at, path)
				}
			}
			b = n.board(nil)
			_, err = b.Complete(n.look())
			require.NoError(t, err)
			if d := Decide(n.look(), ask(later)); len(d.Renew) > 0 {
				_, err = b.Renew(t.Context(), n.look(), d, 0)
				require.NoError(t, err)
			}
			requireRenewed(t, n, "ECDSA-P256", Year)
		}
	}
}
