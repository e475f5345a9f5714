package bootstrap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// kubeletPKI is the kubelet's folder of certificates, and currentPEM the link in
// it to the client certificate that is in use (the kubelet's --cert-dir;
// k8s.io/client-go/util/certificate/certificate_store.go).
const (
	kubeletPKI = "/var/lib/kubelet/pki"
	currentPEM = kubeletPKI + "/kubelet-client-current.pem"
)

// kubeletCertificates makes them. What a killed run did of it is done again or
// found done.
func (r *run) kubeletCertificates(ctx context.Context, s plan.KubeletCertificates, w *work) error {
	var err error
	switch {
	case s.Client && r.joins():
		err = r.signKubeletCertificate(ctx, s, w)
	case s.Client:
		err = moveKubeletCertificate(r.layout, r.layout.KubeletConf())
	}
	if s.Serving && err == nil {
		err = makeServingCertificate(r.layout, r.nodeName(), r.now())
	}
	if err != nil {
		return fmt.Errorf("make the kubelet's certificates: %w", err)
	}
	return nil
}

// signKubeletCertificate makes the kubelet.conf of a joining control plane, which a join of
// kubeadm's leaves to the kubelet. kubeadm writes it in place, so it does that elsewhere:
// kubelet.conf is whole as soon as it is there. Without the cluster's key the kubelet asks.
func (r *run) signKubeletCertificate(ctx context.Context, s plan.KubeletCertificates, w *work) error {
	made := filepath.Join(r.layout.Upgrade(), filepath.Base(r.layout.KubeletConf()))
	if err := r.discard(made); err != nil { // it may be torn
		return err
	}
	if _, _, whole := kubeconfigCA(r.layout.KubeletConf()); whole {
		return nil
	}
	if r.Cluster == nil || !durable.Exists(filepath.Join(r.certificates(), "ca.key")) {
		r.note(s, "the kubelet asks the cluster for its client certificate: the cluster's key is not on this board")
		return nil
	}
	c, err := r.Cluster.Clone()
	if err != nil {
		return err
	}
	if kubeadm.HasTimeouts(c.API()) { // else there is no such field
		c.SetCluster(c.API(), "ECDSA-P256", "encryptionAlgorithm") // which the kubelet would take, too
	}
	if err := r.layout.FS.MkdirAll(filepath.Dir(made), 0o700); err != nil {
		return err
	}
	if err := r.configureInit(c, 0); err != nil {
		return err
	}
	if err := r.initPhase(ctx, w, "kubeconfig", "kubelet", "--kubeconfig-dir="+filepath.Dir(made)); err != nil {
		return err
	}
	if err := moveKubeletCertificate(r.layout, made); err != nil {
		return err
	}
	return r.discard(made)
}

// discard removes a file, if it is there.
func (r *run) discard(path string) error {
	if !durable.Exists(path) {
		return nil
	}
	return r.layout.FS.Remove(path)
}

// moveKubeletCertificate leaves the kubelet's client certificate and kubelet.conf
// as the kubelet and kubelet-finalize together would: the certificate with its key
// in a file that the kubelet can renew, and kubelet.conf pointing there. Done
// before the kubelet's first start it costs no second one. from is the file that
// kubeadm has written.
func moveKubeletCertificate(l state.Layout, from string) error {
	text, err := safefile.Read(from, state.MaxFile)
	if err != nil {
		return err
	}
	conf, err := kubeconfig.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	user, err := conf.User()
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if user[kubeconfig.CertFile] != nil {
		return nil // a file already: by an interrupted run, or the owner's own
	}
	cert, key, err := user.KeyPair()
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	name, err := pemName(cert, key)
	if err != nil {
		return fmt.Errorf("%s: the client certificate: %w", from, err)
	}
	if err := l.FS.MkdirAll(l.At(kubeletPKI), 0o755); err != nil {
		return err
	}
	if err := l.FS.WriteFile(l.At(kubeletPKI+"/"+name), append(cert, key...), 0o600); err != nil {
		return err
	}
	if err := pointTo(l, kubeletPKI+"/"+name, l.At(currentPEM)); err != nil {
		return err
	}
	delete(user, kubeconfig.CertData)
	delete(user, kubeconfig.KeyData)
	user[kubeconfig.CertFile], user[kubeconfig.KeyFile] = currentPEM, currentPEM
	if text, err = yaml.Marshal(conf); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return l.FS.WriteFile(l.KubeletConf(), text, 0o600)
}

func (r *run) nodeName() string { return NodeName(r.Config, r.Args) }

// NodeName is the name that kubeadm gives the node
// (cmd/kubeadm/app/util/config/initconfiguration.go).
func NodeName(c *kubeadm.Config, args kubeadm.Args) string {
	name, given := args.Get("node-name")
	if !given {
		name = c.Own("nodeRegistration", "name")
	}
	if name == "" {
		name, _ = os.Hostname()
	}
	return strings.ToLower(strings.TrimSpace(name))
}

// makeServingCertificate makes what the kubelet shows to those that ask it, as it
// would itself but for the key. With one file of the two it would not start, so
// both are made unless both are there.
func makeServingCertificate(l state.Layout, name string, now time.Time) error {
	base := l.At(kubeletPKI + "/kubelet")
	if durable.Exists(base+".crt") && durable.Exists(base+".key") {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", name,
			now.Unix())}, DNSNames: []string{name},
		NotBefore: now.UTC(), NotAfter: now.UTC().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := l.FS.MkdirAll(l.At(kubeletPKI), 0o755); err != nil {
		return err
	}
	if err := l.FS.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		0o600); err != nil {
		return err
	}
	return l.FS.WriteFile(base+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644)
}

// removeServingCertificate takes back what a run that changed nothing else has made. One
// that the kubelet has made has an RSA key.
func removeServingCertificate(l state.Layout, j *journal.Journal) error {
	made := slices.ContainsFunc(j.Plan.Steps[:j.Done], func(s plan.Step) bool {
		step, ok := s.(plan.KubeletCertificates)
		return ok && step.Serving
	})
	base := l.At(kubeletPKI + "/kubelet")
	cert := readCertificate(base + ".crt")
	if !made || cert == nil || cert.PublicKeyAlgorithm != x509.ECDSA {
		return nil
	}
	for _, path := range []string{base + ".crt", base + ".key"} {
		if err := l.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(l.At(kubeletPKI)) // only if it is empty
	return nil
}

// pemName is the name that the kubelet gives the file of a client certificate;
// where the kubelet puts the present time, this is the certificate's own, so that
// doing it twice leaves one file.
func pemName(cert, key []byte) (string, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return "", err
	}
	return "kubelet-client-" + leaf.NotBefore.UTC().Format("2006-01-02-15-04-05") + ".pem", nil
}

// pointTo makes link a symbolic link to target, in one step where there is one
// already.
func pointTo(l state.Layout, target, link string) error {
	temp := filepath.Join(filepath.Dir(link), "."+filepath.Base(link))
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := l.FS.Do("link", link, func() error {
		if err := os.Symlink(target, temp); err != nil {
			return err
		}
		return os.Rename(temp, link)
	})
	if err != nil {
		return err
	}
	return l.FS.SyncDir(filepath.Dir(link))
}
