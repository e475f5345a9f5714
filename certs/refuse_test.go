package certs

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

func (d Decision) refusal(name string) (Refusal, bool) {
	i := slices.IndexFunc(d.Refused, func(r Refusal) bool { return r.Name == name })
	if i < 0 {
		return Refusal{}, false
	}
	return d.Refused[i], true
}

// What is refused at each start has nothing renewed at each start.
func TestRefusedDoesNotRenewOthers(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.Remove(n.root+defaultPKI+"/etcd/ca.key"))
	_, err := n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.NoError(t, err)
	again := Decide(n.look(), ask(later))
	assert.Empty(t, again.Renew)
	assert.Len(t, again.Refused, 4)
}

// Who asks for all is told what is not renewed.
func TestAllSaysWhatIsNot(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.key"))
	d := Decide(n.look(), Ask{Now: born, Within: Within, All: true})
	_, ok := d.refusal("apiserver")
	assert.True(t, ok, d)
	assert.Empty(t, Decide(n.look(), Ask{Now: born, Within: Within}).Refused)
}

// Nothing is signed while the clock may be wrong or is before an authority: neither what
// signs itself.
func TestNothingSignedByAWrongClock(t *testing.T) {
	s := newNode(t, "ECDSA-P256").look()
	for _, a := range []Ask{
		{Now: later, Within: Within, Unsure: true}, {Now: later, Within: Within, Unsure: true, All: true},
		{Now: time.Unix(0, 0), Within: Within}, {Now: time.Unix(0, 0), Within: Within, Unsure: true},
	} {
		assert.Empty(t, Decide(s, a).Renew)
	}
	// An authority begins before all that it signs, and is there alone on a new node.
	c := ReadClock("/nonexistent", Seen{Authorities: s.Authorities}, time.Unix(0, 0), false)
	assert.False(t, c.Right())
	assert.Equal(t, s.Authorities[0].File, c.File)
}

// An expired authority may be a clock that is years ahead.
func TestExpiredAuthorityNamesTheClock(t *testing.T) {
	s := newNode(t, "ECDSA-P256").look()
	r, _ := Decide(s, ask(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))).refusal("apiserver")
	assert.Equal(t, "the authority ca itself expired on 2035-03-01 12:00 UTC, and the clock says 2099-01-01 00:00 UTC",
		r.Why)
}

// While it is valid, a worker's kubelet renews its certificate itself: no token is needed.
func TestWorkersValidCertificate(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.RemoveAll(n.root+"/etc/kubernetes/manifests"))
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.key"))
	_, ok := Decide(n.look(), ask(born.AddDate(0, 0, 350))).refusal("kubelet-client")
	assert.False(t, ok)
	_, ok = Decide(n.look(), ask(later)).refusal("kubelet-client")
	assert.True(t, ok)
	// One that cannot be read is for a token, too: a worker has no kubeadm init.
	require.NoError(t, os.Truncate(n.root+KubeletPKI+"/kubelet-client-2025-03-01-12-00-00.pem", 0))
	r, ok := Decide(n.look(), ask(born)).refusal("kubelet-client")
	require.True(t, ok)
	assert.Equal(t, WorkerHint, r.Do)
}

// A validity of less than three months is not always about to end.
func TestShortValidity(t *testing.T) {
	n := node{t, inMemory(t), defaultPKI, "ECDSA-P256", 20 * 24 * time.Hour}
	n.make()
	assert.Empty(t, Decide(n.look(), ask(born.AddDate(0, 0, 10))).Renew)
	assert.Len(t, Decide(n.look(), ask(born.AddDate(0, 0, 14))).Renew, 14)
}

// A key of an authority that cannot sign is refused by name, and holds up nothing else.
func TestAuthorityWithABadKey(t *testing.T) {
	for name, spoil := range map[string]func(key string) error{
		"empty":     func(key string) error { return os.Truncate(key, 0) },
		"another's": func(key string) error { return os.Rename(filepath.Dir(key)+"/front-proxy-client.key", key) },
		"a folder": func(key string) error {
			if err := os.Remove(key); err != nil {
				return err
			}
			return os.Mkdir(key, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "ECDSA-P256")
			require.NoError(t, spoil(n.root+defaultPKI+"/ca.key"))
			d := Decide(n.look(), ask(later))
			r, ok := d.refusal("apiserver")
			require.True(t, ok)
			assert.Contains(t, r.Why, "ca.key")
			assert.Contains(t, r.Do, "backup")
			require.True(t, d.Renews("etcd-server"))
			_, err := n.board(nil).Renew(t.Context(), n.look(), d, 0)
			require.NoError(t, err)
			// It is said before anything is due.
			early := Decide(n.look(), ask(born))
			assert.Contains(t, strings.Join(early.Warnings, "\n"), "ca.key")
		})
	}
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.Truncate(n.root+defaultPKI+"/ca.crt", 0))
	d := Decide(n.look(), ask(born))
	assert.Contains(t, strings.Join(d.Warnings, "\n"), "/etc/kubernetes/pki/ca.crt: no certificate in it")
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.crt"))
	r, _ := Decide(n.look(), ask(later)).refusal("apiserver")
	assert.Contains(t, r.Do, "backup")
}

// A certificate that cannot be replaced is refused by name, and the others are renewed.
func TestIrreplaceable(t *testing.T) {
	for name, spoil := range map[string]func(n node) error{
		"apiserver: its key is a pipe": func(n node) error {
			key := n.root + defaultPKI + "/apiserver.key"
			if err := os.Remove(key); err != nil {
				return err
			}
			return syscall.Mkfifo(key, 0o600)
		},
		"admin.conf: its key is a file of its own": func(n node) error {
			file := n.root + "/etc/kubernetes/admin.conf"
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			before, _, _ := strings.Cut(string(text), "    client-key-data")
			return os.WriteFile(file, []byte(before+"    client-key: /root/admin.key\n"), 0o600)
		},
		"admin.conf: folded": func(n node) error {
			file := n.root + "/etc/kubernetes/admin.conf"
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			before, data, _ := strings.Cut(string(text), "client-key-data: ")
			data = strings.TrimSpace(data)
			return os.WriteFile(file, []byte(before+"client-key-data: \""+data[:9]+"\\\n      "+data[9:]+"\"\n"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "ECDSA-P256")
			require.NoError(t, spoil(n))
			leaf, _, _ := strings.Cut(name, ":")
			d := Decide(n.look(), ask(later))
			r, ok := d.refusal(leaf)
			require.True(t, ok)
			assert.NotEmpty(t, r.Do)
			assert.Len(t, d.Renew, 13)
			_, err := n.board(nil).Renew(t.Context(), n.look(), d, 0)
			require.NoError(t, err)
		})
	}
}

// A serving certificate of the kubelet's that the owner has had signed is not
// replaced by one that signs itself.
func TestOwnersServingCertificate(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	own := n.authority("Company CA", "company")
	cert, key := n.leaf(own, "shed", "company")
	n.put(KubeletPKI+"/kubelet.crt", cert, 0o644)
	n.put(KubeletPKI+"/kubelet.key", key, 0o600)
	r, ok := Decide(n.look(), ask(later)).refusal("kubelet")
	require.True(t, ok)
	assert.Equal(t, "it was signed by Company CA", r.Why)
	// The kubelet's own is signed by an authority that it has thrown away
	// (k8s.io/client-go/util/cert.GenerateSelfSignedCertKey).
	cert, key = n.leaf(n.authority("shed-ca@1764579600", "shed"), "shed@1764579601", "")
	n.put(KubeletPKI+"/kubelet.crt", cert, 0o644)
	n.put(KubeletPKI+"/kubelet.key", key, 0o600)
	assert.True(t, Decide(n.look(), ask(later)).Renews("kubelet"))
}

// A file that is missing and needed is not passed over.
func TestMissing(t *testing.T) {
	for name, missing := range map[string]string{
		"apiserver":      defaultPKI + "/apiserver.crt", // a power cut during kubeadm's renewal
		"scheduler.conf": "/etc/kubernetes/scheduler.conf",
		"kubelet.conf":   KubeletConf,
		"kubelet-client": KubeletPKI + "/kubelet-client-2025-03-01-12-00-00.pem", // the link stays
	} {
		n := newNode(t, "ECDSA-P256")
		n.put("/etc/kubernetes/manifests/kube-scheduler.yaml", []byte(`spec:
  containers:
  - command: [kube-scheduler, --kubeconfig=/etc/kubernetes/scheduler.conf]
`), 0o600)
		require.NoError(t, os.Remove(n.root+missing))
		r, ok := Decide(n.look(), ask(born)).refusal(name)
		require.True(t, ok, name)
		assert.Contains(t, r.Why, "is not there", name)
		assert.Contains(t, StatusOf(n.look(), Clock{Now: born}).Text(), name)
	}
}

// The way to have a file made again names what kubeadm would otherwise guess.
func TestMadeAgain(t *testing.T) {
	n := node{t, inMemory(t), "/srv/my pki", "ECDSA-P256", Year}
	n.make()
	cert, key := n.leaf(n.authority("kubernetes", "ca"), "system:node:shed", "system:nodes")
	n.put(KubeletPKI+"/kubelet-client-2025-03-01-12-00-00.pem", slices.Concat(cert, key), 0o600)
	do := func(name, file string) string {
		require.NoError(t, os.Truncate(n.root+file, 0))
		r, _ := Decide(n.look(), ask(born)).refusal(name)
		return r.Do
	}
	dir := " --cert-dir " + shell.Quote("/srv/my pki")
	assert.Contains(t, do("admin.conf", "/etc/kubernetes/admin.conf"),
		"sudo kubeadm init phase kubeconfig admin"+dir+" --apiserver-advertise-address 10.88.0.2")
	// kubeadm makes no certificate for a key that is there.
	assert.Contains(t, do("front-proxy-client", "/srv/my pki/front-proxy-client.crt"),
		"sudo rm -f '/srv/my pki/front-proxy-client.crt' '/srv/my pki/front-proxy-client.key' && "+
			"sudo kubeadm init phase certs front-proxy-client"+dir)
	// The kubelet does not start with one of the two (k8s.io/client-go/util/cert.CanReadCertAndKey).
	assert.Contains(t, do("kubelet", KubeletPKI+"/kubelet.crt"), "kubelet.crt "+KubeletPKI+"/kubelet.key &&")
	assert.Contains(t, do("kubelet.conf", "/etc/kubernetes/kubelet.conf"), "--node-name shed")
}

// The status says who has signed a certificate, not who should have.
func TestStatusNamesTheIssuer(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	cert, key := n.leaf(n.authority("Company CA", "company"), "cn-admin.conf", "system:test")
	n.put("/etc/kubernetes/admin.conf", conf("admin.conf", cert, key), 0o600)
	for _, c := range StatusOf(n.look(), Clock{Now: born}).Certificates {
		if c.Name == "admin.conf" {
			assert.Equal(t, "Company CA", c.Issuer)
		}
	}
}

// The chain that stands behind a certificate of an intermediate authority is kept.
func TestChainIsKept(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	ca, err := os.ReadFile(n.root + defaultPKI + "/ca.crt")
	require.NoError(t, err)
	crt := n.root + defaultPKI + "/apiserver.crt"
	leaf, err := os.ReadFile(crt)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(crt, slices.Concat(leaf, ca), 0o644))
	_, err = n.board(nil).Renew(t.Context(), n.look(), Decide(n.look(), ask(later)), 0)
	require.NoError(t, err)
	fresh, err := os.ReadFile(crt)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(fresh), string(ca)))
	assert.NotContains(t, string(fresh), string(leaf))
	l, _ := n.look().Leaf("apiserver")
	a, _ := n.look().Authority("ca")
	require.NoError(t, l.Certificate.CheckSignatureFrom(a.Certificate))
}

// What the kubelet has made is renewed without a kubeadm, such as on a worker without one.
func TestKubeletsNeedNoKubeadm(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.key"))
	require.NoError(t, os.RemoveAll(n.root+"/etc/kubernetes/manifests"))
	for _, name := range []string{"front-proxy-ca", "etcd"} {
		require.NoError(t, os.RemoveAll(n.root+defaultPKI+"/"+name))
	}
	s := n.look()
	d := Decide(s, ask(later))
	require.True(t, d.Renews("kubelet"))
	assert.False(t, d.NeedsKubeadm(Seen{Leaves: []Leaf{{Name: "kubelet"}}}))
	b := n.board(nil)
	b.Kubeadm = Kubeadm{}
	_, err := b.Renew(t.Context(), s, Decision{Renew: []Renewal{{Name: "kubelet"}}}, 0)
	require.NoError(t, err)
}

// Refusals for one reason are one message.
func TestRefusalsForOneReason(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.key"))
	d := Decide(n.look(), ask(later))
	require.Len(t, d.Groups(), 1)
	assert.Len(t, d.Groups()[0].Names, len(d.Refused))
	assert.Contains(t, StatusOf(n.look(), Clock{Now: later}).Text(), `
apiserver, apiserver-kubelet-client, admin.conf, super-admin.conf,
  controller-manager.conf, scheduler.conf, kubelet.conf, kubelet-client cannot
  be renewed here:
  the key of /etc/kubernetes/pki/ca.crt is not on this node (an external CA)
`)
}

// kubeadm would sign beyond the end of the authority, which nobody could use.
func TestNothingOutlivesItsAuthority(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	now := born.AddDate(9, 10, 0)
	for _, period := range []time.Duration{0, 20 * Year} {
		b := n.board(nil)
		b.Now = func() time.Time { return now }
		asked := time.Duration(0)
		b.Kubeadm.Renew = func(_ context.Context, r Request) error { asked = r.Period; return os.ErrInvalid }
		_, err := b.Renew(t.Context(), n.look(), Decide(n.look(), ask(now)), period)
		require.ErrorIs(t, err, os.ErrInvalid)
		assert.Equal(t, born.AddDate(10, 0, 0).Sub(now), asked)
	}
}

// A worker whose kubelet asks with a token that may have expired is not well.
func TestWorkerWaitsForItsCertificate(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	require.NoError(t, os.RemoveAll(n.root+"/etc/kubernetes/manifests"))
	require.NoError(t, os.Remove(n.root+defaultPKI+"/ca.key"))
	_, err := n.board(nil).Bootstrap("abcdef.0123456789abcdef")
	require.NoError(t, err)
	r, ok := Decide(n.look(), ask(born)).refusal("kubelet-client")
	require.True(t, ok)
	assert.Equal(t, KubeletClient+" is not there, and the kubelet asks for it with a bootstrap token", r.Why)
	assert.Equal(t, WorkerHint, r.Do)
}

// What kubeadm would leave out of a certificate (pkiutil.CertConfig) is kept: such are made
// without it. Keys of another kind do not hold up the others either.
func TestWhatKubeadmWouldLose(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	ca, err := os.ReadFile(n.root + defaultPKI + "/ca.key")
	require.NoError(t, err)
	a, _ := n.look().Authority("ca")
	by, err := parseSigner(a.Certificate, ca)
	require.NoError(t, err)
	odd := func(name string, change func(*x509.Certificate)) {
		l, _ := n.look().Leaf(name)
		old := *l.Certificate
		change(&old)
		cert, key, err := by.reissue(&old, born, Year)
		require.NoError(t, err)
		n.put("/etc/kubernetes/"+name, conf(name, cert, key), 0o600)
	}
	subject := pkix.Name{CommonName: "me", Organization: []string{"system:masters"}, OrganizationalUnit: []string{"ops"}}
	odd("admin.conf", func(c *x509.Certificate) { c.RawSubject, err = marshal(subject.ToRDNSequence()) })
	require.NoError(t, err)
	odd("super-admin.conf", func(c *x509.Certificate) { c.EmailAddresses = []string{"me@example.org"} })
	odd("scheduler.conf", func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.org"}} })
	odd("controller-manager.conf", func(c *x509.Certificate) { c.PublicKey = ed25519.PublicKey{} })
	b := n.board(nil)
	honest := b.Kubeadm.Renew
	b.Kubeadm.Renew = func(ctx context.Context, r Request) error {
		for _, name := range []string{"admin.conf", "super-admin.conf", "scheduler.conf", "controller-manager.conf"} {
			assert.NotContains(t, r.Names, name)
		}
		return honest(ctx, r)
	}
	before := n.look()
	_, err = b.Renew(t.Context(), before, Decide(before, ask(later)), 0)
	require.NoError(t, err)
	after := n.look()
	require.Empty(t, Decide(after, ask(later)).Renew)
	for _, was := range before.Leaves {
		l, _ := after.Leaf(was.Name)
		assert.Equal(t, was.Certificate.RawSubject, l.Certificate.RawSubject)
		assert.Equal(t, was.Certificate.URIs, l.Certificate.URIs)
		assert.Equal(t, was.Certificate.EmailAddresses, l.Certificate.EmailAddresses)
		assert.Equal(t, Algorithm(was.Certificate.PublicKey), Algorithm(l.Certificate.PublicKey))
	}
}

// A certificate is of no use after its authority's end, however long it says that it is
// valid, as kubeadm makes them.
func TestEndOfTheAuthorityCounts(t *testing.T) {
	s := newNode(t, "ECDSA-P256").look()
	for i := range s.Leaves {
		old := *s.Leaves[i].Certificate
		old.NotAfter = born.AddDate(12, 0, 0)
		s.Leaves[i].Certificate = &old
	}
	end := born.AddDate(10, 0, 0)
	for now, refused := range map[time.Time]bool{
		end.AddDate(0, -2, 0): false, end.AddDate(0, 0, -20): true, end.AddDate(0, 1, 0): true,
	} {
		d := Decide(s, ask(now))
		_, ok := d.refusal("apiserver")
		assert.Equal(t, refused, ok, now)
		assert.Empty(t, d.Renew)
		assert.Equal(t, refused, !strings.Contains(StatusOf(s, Clock{Now: now}).Text(), "Nothing to renew"))
	}
}
