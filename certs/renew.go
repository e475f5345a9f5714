package certs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Board is the node whose certificates are renewed.
type Board struct {
	// Root is "/" but for tests.
	Root string
	// FS makes the changes below it.
	FS  durable.FS
	Now func() time.Time
	// Kubeadm is the real one.
	Kubeadm Kubeadm
}

// Kubeadm is the real kubeadm, which renews what it has made.
type Kubeadm struct {
	// Renews reports whether it renews a certificate with this kind of key and this
	// validity as it is. What it does not is renewed without it.
	Renews func(l Leaf, algorithm string, period time.Duration) bool
	// Renew renews certificates in a folder that has the layout of /etc/kubernetes. all
	// says that those are all it knows.
	Renew func(ctx context.Context, r Request) error
}

// Request is what kubeadm is asked to do.
type Request struct {
	// Dir is a copy of /etc/kubernetes, with the certificates in pki.
	Dir string
	// Names are the certificates to renew.
	Names     []string
	Algorithm string
	Period    time.Duration
}

func (b Board) at(name string) string { return filepath.Join(b.Root, name) }

func (b Board) root() safefile.Root { return safefile.Root(b.Root) }

// made is a new certificate with its key.
type made struct {
	leaf      Leaf
	cert, key []byte
}

// withChain is the new certificate followed by what followed the old one, where that
// has signed the new one, too: the chain of an intermediate authority.
func (m made) withChain() []byte {
	cert, err := firstCertificate(m.cert)
	if err != nil || len(m.leaf.Chain) == 0 || cert.CheckSignatureFrom(m.leaf.Chain[0]) != nil {
		return m.cert
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	for _, c := range m.leaf.Chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// Renew makes the certificates that a decision names, and puts them into place all or
// none. period, unless it is 0, is how long they are to be valid; otherwise
// each is valid for as long as it was meant to be before. It returns the folder
// with the old files. Whatever fails before the last step leaves all as it was; after it
// [Board.Complete] goes on.
func (b Board) Renew(ctx context.Context, s Seen, d Decision, period time.Duration) (kept string, err error) {
	if len(d.Renew) == 0 {
		return "", nil
	}
	var leaves []Leaf
	for _, r := range d.Renew {
		if l, ok := s.Leaf(r.Name); ok {
			leaves = append(leaves, l)
		}
	}
	all, err := b.make(ctx, s, leaves, period)
	if err != nil {
		return "", err
	}
	files, err := b.files(all)
	if err != nil {
		return "", err
	}
	return b.install(files)
}

// make makes all certificates: kubeadm those that it makes as they were, and this
// program the others. Each is proved.
func (b Board) make(ctx context.Context, s Seen, leaves []Leaf, period time.Duration) ([]made, error) {
	now := b.Now()
	algorithm, usual := s.usual(leaves)
	if period > 0 {
		usual = period
	}
	lasts := func(l Leaf) time.Duration {
		if period > 0 {
			return period
		}
		a, _ := s.Authority(l.Authority)
		return Period(l.Certificate, a.Certificate)
	}
	// kubeadm signs beyond an authority's end, if it is told to.
	whole := s.shortest(leaves, now, usual)
	var theirs, ours []Leaf
	for _, l := range leaves {
		same := Algorithm(l.Certificate.PublicKey) == algorithm && lasts(l) == usual && kubeadmKeeps(l.Certificate)
		if !l.Kubelet() && same && whole > 0 && b.Kubeadm.Renews(l, algorithm, whole) {
			theirs = append(theirs, l)
		} else {
			ours = append(ours, l)
		}
	}
	all, err := b.byKubeadm(ctx, s, theirs, algorithm, whole)
	if err != nil {
		return nil, err
	}
	for _, l := range ours {
		m, err := b.byUs(s, l, now, lasts(l))
		if err != nil {
			return nil, fmt.Errorf("renew %s: %w", l.Name, err)
		}
		all = append(all, m)
	}
	for i, m := range all {
		a, _ := s.Authority(m.leaf.Authority)
		all[i].cert = m.withChain()
		if err := prove(m.leaf.Certificate, a, m.cert, m.key, algorithm, b.Now(), lasts(m.leaf)); err != nil {
			return nil, fmt.Errorf("renew %s: the new certificate is not right, and nothing was changed: %w",
				m.leaf.Name, err)
		}
	}
	return all, nil
}

// usual is the kind of key and the validity of the cluster's certificates: the API
// server's, or the first one's of kubeadm.
func (s Seen) usual(leaves []Leaf) (algorithm string, period time.Duration) {
	l, ok := s.Leaf("apiserver")
	if !ok || l.Certificate == nil {
		i := slices.IndexFunc(leaves, func(l Leaf) bool { return !l.Kubelet() })
		if i < 0 {
			return "", 0
		}
		l = leaves[i]
	}
	a, _ := s.Authority(l.Authority)
	return Algorithm(l.Certificate.PublicKey), Period(l.Certificate, a.Certificate)
}

// shortest is period or, where an authority ends before that, how many whole hours are left
// of the first one.
func (s Seen) shortest(leaves []Leaf, now time.Time, period time.Duration) time.Duration {
	for _, l := range leaves {
		if a, ok := s.Authority(l.Authority); ok && a.Certificate != nil {
			period = min(period, a.Certificate.NotAfter.Sub(now).Truncate(time.Hour))
		}
	}
	return period
}

// work is the folder in memory in which kubeadm renews copies.
const work = "/run/kubeadm-arm/renewal"

// byKubeadm has kubeadm renew copies, and reads them. kubeadm writes each file in
// place, one after the other, so the real ones are not for it.
func (b Board) byKubeadm(
	ctx context.Context, s Seen, leaves []Leaf, algorithm string, period time.Duration,
) (all []made, err error) {
	if len(leaves) == 0 {
		return nil, nil
	}
	dir := b.at(work)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := Request{Dir: dir, Algorithm: algorithm, Period: period}
	copied := map[string]bool{}
	put := func(file string) error {
		if copied[file] {
			return nil
		}
		copied[file] = true
		text, err := b.root().Read(file, maxFile)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, s.inKubernetes(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	}
	for _, l := range leaves {
		r.Names = append(r.Names, l.Name)
		a, _ := s.Authority(l.Authority)
		for _, file := range []string{l.File, l.Key, a.File, a.key()} {
			err := put(file)
			if file == l.Key && errors.Is(err, fs.ErrNotExist) {
				continue // a new one is made
			}
			if err != nil {
				return nil, fmt.Errorf("renew %s: %w", l.Name, err)
			}
		}
	}
	if err := b.Kubeadm.Renew(ctx, r); err != nil {
		return nil, err
	}
	for _, l := range leaves {
		m := made{leaf: l}
		if m.cert, err = safefile.Read(filepath.Join(dir, s.inKubernetes(l.File)), maxFile); err != nil {
			return nil, fmt.Errorf("renew %s: %w", l.Name, err)
		}
		if m.key, err = safefile.Read(filepath.Join(dir, s.inKubernetes(l.Key)), maxFile); err != nil {
			return nil, fmt.Errorf("renew %s: %w", l.Name, err)
		}
		if l.Form == Kubeconfig {
			c, err := readCredentials(m.cert)
			if err != nil {
				return nil, fmt.Errorf("renew %s: %w", l.Name, err)
			}
			m.cert, m.key = c.cert, c.key
		}
		if old, err := firstCertificate(m.cert); err == nil && old.Equal(l.Certificate) {
			return nil, fmt.Errorf("renew %s: kubeadm has left it as it was", l.Name)
		}
		all = append(all, m)
	}
	return all, nil
}

// inKubernetes is a file's path below /etc/kubernetes if certificatesDir were
// kubeadm's default.
func (s Seen) inKubernetes(file string) string {
	conf := path.Ext(file) == ".conf" // where certificatesDir is /etc/kubernetes itself
	if rest, ok := strings.CutPrefix(file, s.Dir+"/"); ok && !conf {
		return path.Join("pki", rest)
	}
	return strings.TrimPrefix(file, kubernetesDir+"/")
}

// byUs makes a certificate like the old one.
func (b Board) byUs(s Seen, l Leaf, now time.Time, period time.Duration) (made, error) {
	by := signer{}
	if l.Authority != "" {
		a, ok := s.Authority(l.Authority)
		if !ok || a.Certificate == nil {
			return made{}, fmt.Errorf("the authority %s is not here", l.Authority)
		}
		key, err := b.root().Read(a.key(), maxFile)
		if err != nil {
			return made{}, err
		}
		if by, err = parseSigner(a.Certificate, key); err != nil {
			return made{}, fmt.Errorf("%s: %w", a.key(), err)
		}
	}
	cert, key, err := by.reissue(l.Certificate, now, period)
	return made{l, cert, key}, err
}

// newFile is one file to put into place, or a link if Target is not empty.
type newFile struct {
	path   string
	text   []byte
	target string
	// like is the file whose owner and mode it gets; secret says that only the owner may
	// read it.
	like   string
	secret bool
	// old is what is kept of before.
	old []string
}

// bundleTime ends the name of a file that the kubelet finds through a link.
const bundleTime = "-2006-01-02-15-04-05.pem"

// files are what new certificates come to on the disk.
func (b Board) files(all []made) ([]newFile, error) {
	var files []newFile
	for _, m := range all {
		l := m.leaf
		switch l.Form {
		case Pair:
			files = append(files,
				newFile{path: l.Key, text: m.key, like: l.Key, secret: true, old: []string{l.Key}},
				newFile{path: l.File, text: m.cert, like: l.File, old: []string{l.File}})
		case Kubeconfig:
			text, err := b.root().Read(l.File, maxFile)
			if err != nil {
				return nil, fmt.Errorf("renew %s: %w", l.Name, err)
			}
			if text, err = withCredentials(text, m.cert, m.key); err != nil {
				return nil, fmt.Errorf("renew %s: %w", l.Name, err)
			}
			files = append(files, newFile{path: l.File, text: text, like: l.File, secret: true, old: []string{l.File}})
		case Bundle:
			target, err := b.root().Readlink(l.File)
			if err != nil {
				target = l.File // no link: an owner's own file
			}
			dir := path.Dir(l.File)
			name := strings.TrimSuffix(path.Base(l.File), "-current.pem")
			fresh := path.Join(dir, name+b.Now().UTC().Format(bundleTime))
			old := []string{path.Join(dir, path.Base(target))}
			files = append(files,
				newFile{path: fresh, text: slices.Concat(m.cert, m.key), like: l.File, secret: true, old: old},
				newFile{path: l.File, target: fresh})
		}
	}
	return files, nil
}

// withCredentials replaces certificate and key in a kubeconfig, and leaves every other
// byte.
func withCredentials(conf, cert, key []byte) ([]byte, error) {
	c, err := readCredentials(conf)
	if err != nil {
		return nil, err
	}
	for field, fresh := range map[string][]byte{kubeconfig.CertData: cert, kubeconfig.KeyData: key} {
		old := c.user.Text(field)
		if bytes.Count(conf, []byte(old)) != 1 {
			return nil, errors.New("its certificate or key does not stand in one piece in it, or twice")
		}
		conf = bytes.Replace(conf, []byte(old), []byte(base64.StdEncoding.EncodeToString(fresh)), 1)
	}
	if now, err := readCredentials(conf); err != nil || !bytes.Equal(now.cert, cert) || !bytes.Equal(now.key, key) {
		return nil, errors.New("its certificate and key cannot be replaced in it")
	}
	return conf, nil
}

// attributes are the mode and owner that a file gets.
func (b Board) attributes(f newFile) (fs.FileMode, fs.FileInfo) {
	mode := fs.FileMode(0o644)
	if f.secret {
		mode = 0o600
	}
	info, err := b.root().Stat(f.like)
	if err != nil {
		return mode, nil
	}
	if f.secret {
		return info.Mode().Perm() & 0o600, info
	}
	return info.Mode().Perm(), info
}
