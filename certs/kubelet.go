package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
)

// MoveKubeletClient leaves the kubelet's client certificate and kubelet.conf as the kubelet
// and kubeadm's phase kubelet-finalize together would: the certificate with its key in a
// file that the kubelet can renew, and kubelet.conf pointing there. Done before the
// kubelet's first start it costs no second one. from is the kubeconfig that kubeadm has made, by
// its path on the board: [KubeletConf] or another file.
func (b Board) MoveKubeletClient(from string) error {
	text, err := b.root().Read(from, maxFile)
	if err != nil {
		return err
	}
	conf, err := kubeconfig.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", b.at(from), err)
	}
	user, err := conf.User()
	if err != nil {
		return fmt.Errorf("%s: %w", b.at(from), err)
	}
	if user[kubeconfig.CertFile] != nil {
		return nil // a file already: by an interrupted run, or the owner's own
	}
	cert, key, err := user.KeyPair()
	if err != nil {
		return fmt.Errorf("%s: %w", b.at(from), err)
	}
	name, err := bundleName(cert, key)
	if err != nil {
		return fmt.Errorf("%s: the client certificate: %w", b.at(from), err)
	}
	if err := b.FS.MkdirAll(b.at(KubeletPKI), 0o755); err != nil {
		return err
	}
	if err := b.FS.WriteFile(b.at(path.Join(KubeletPKI, name)), append(cert, key...), 0o600); err != nil {
		return err
	}
	if err := b.link(KubeletClient, path.Join(KubeletPKI, name)); err != nil {
		return err
	}
	delete(user, kubeconfig.CertData)
	delete(user, kubeconfig.KeyData)
	user[kubeconfig.CertFile], user[kubeconfig.KeyFile] = KubeletClient, KubeletClient
	if text, err = yaml.Marshal(conf); err != nil {
		return fmt.Errorf("%s: %w", b.at(from), err)
	}
	return b.FS.WriteFile(b.at(KubeletConf), text, 0o600)
}

// bundleName is the name that the kubelet gives the file of a client certificate. Where the
// kubelet puts the present time, this is the certificate's own, so that doing it twice
// leaves one file.
func bundleName(cert, key []byte) (string, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return "", err
	}
	return "kubelet-client" + leaf.NotBefore.UTC().Format(bundleTime), nil
}

// link makes name a symbolic link to target, in one step where there is one already.
func (b Board) link(name, target string) error {
	if err := b.lay(newFile{path: name, target: target}); err != nil {
		return err
	}
	return b.rename(b.at(hidden(name)), b.at(name))
}

// MakeKubeletServing makes what the kubelet shows to clients, as it would itself at its first
// start, but with an ECDSA key. With one file of the two it would not start, so both are made
// unless both are there.
func (b Board) MakeKubeletServing(node string) error {
	crt, key := b.servingFiles()
	if durable.Exists(crt) && durable.Exists(key) {
		return nil
	}
	now := b.Now().UTC()
	private, keyText, err := newKey(&ecdsa.PublicKey{Curve: elliptic.P256()})
	if err != nil {
		return err
	}
	cert, err := signer{}.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", node, now.Unix())}, DNSNames: []string{node},
		NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, private)
	if err != nil {
		return err
	}
	if err := b.FS.MkdirAll(b.at(KubeletPKI), 0o755); err != nil {
		return err
	}
	if err := b.FS.WriteFile(key, keyText, 0o600); err != nil {
		return err
	}
	return b.FS.WriteFile(crt, cert, 0o644)
}

// RemoveKubeletServing removes what [Board.MakeKubeletServing] has made. A certificate that
// the kubelet has made has an RSA key, and stays.
func (b Board) RemoveKubeletServing() error {
	text, err := b.root().Read(servingCert, maxFile)
	if err != nil {
		return nil
	}
	cert, err := firstCertificate(text)
	if err != nil || cert.PublicKeyAlgorithm != x509.ECDSA {
		return nil
	}
	crt, key := b.servingFiles()
	for _, file := range []string{crt, key} {
		if err := b.FS.Remove(file); err != nil {
			return err
		}
	}
	_ = os.Remove(filepath.Dir(crt)) // only if it is empty
	return nil
}

func (b Board) servingFiles() (crt, key string) { return b.at(servingCert), b.at(servingKey) }
