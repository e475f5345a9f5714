package bootstrap

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// kubeadm keeps what it finds in its folders and writes only what is missing. A kubeadm
// that was killed, or a power cut, leaves incomplete files, at which it fails whenever it
// is repeated: a key without its certificate ("external CA mode"), sa.key without sa.pub
// (never made again), an empty kubeconfig. What is incomplete and was not there before the
// run is removed, so that it is made anew.

// sweep removes the incomplete files that an interrupted step left.
func (r *run) sweep() error {
	if r.journal.Done >= len(r.journal.Plan.Steps) {
		return nil
	}
	step, ok := r.journal.Plan.Steps[r.journal.Done].(plan.RunPhases)
	if !ok {
		return nil
	}
	var torn []string
	if r.joins() {
		torn = r.tornJoin()
	}
	// Only for the steps that make them: later ones find them complete.
	prepares := step.Name == "all" || slices.Contains(step.Keep, "control-plane-prepare") && r.joinsControlPlane()
	if slices.Contains(step.Keep, "certs") || prepares {
		pki := r.tornCertificates()
		torn = append(torn, pki...)
		torn = append(torn, r.tornKubeconfigs()...)
	}
	if slices.Contains(step.Keep, "control-plane") || prepares {
		for _, c := range plan.Components() {
			if text, err := safefile.Read(r.layout.Manifest(c), state.MaxFile); err == nil {
				if _, err := patch.Inspect(text); err != nil {
					torn = append(torn, r.layout.Manifest(c))
				}
			}
		}
	}
	for _, path := range torn {
		if r.wasThere(path) || !durable.Exists(path) {
			continue
		}
		if err := r.layout.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what the interrupted run left half done: %w", err)
		}
		r.Tell(Event{Time: r.now(), Kind: Note, Detail: "removed, half written when the last run ended: " + path})
	}
	return nil
}

// tornCertificates lists the files of pairs that are not whole, and of
// certificates whose CA is such a pair.
func (r *run) tornCertificates() []string {
	dir := r.certificates()
	var torn []string
	for _, ca := range []struct {
		name   string
		leaves []string
	}{
		{"ca", []string{"apiserver", "apiserver-kubelet-client"}},
		{"front-proxy-ca", []string{"front-proxy-client"}},
		{"etcd/ca", []string{"etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"}},
	} {
		base := filepath.Join(dir, ca.name)
		_, whole := readPair(base)
		// The owner's CA may be here without its key.
		issuer := readCertificate(base + ".crt")
		if !whole && !r.wasThere(base+".crt") {
			issuer = nil
		}
		if !whole && !r.wasThere(base+".crt") {
			torn = append(torn, base+".crt", base+".key")
		}
		for _, leaf := range ca.leaves {
			base := filepath.Join(dir, leaf)
			cert, ok := readPair(base)
			if !ok || issuer == nil || cert.CheckSignatureFrom(issuer) != nil {
				if !r.wasThere(base + ".crt") {
					torn = append(torn, base+".crt", base+".key")
				}
			}
		}
	}
	sa := filepath.Join(dir, "sa")
	if !readableKey(sa+".key") || !readableKey(sa+".pub") {
		torn = append(torn, sa+".key", sa+".pub")
	}
	return torn
}

// readPair reads BASE.crt and BASE.key and reports whether they belong together.
func readPair(base string) (*x509.Certificate, bool) {
	pair, err := safefile.LoadKeyPair(base+".crt", base+".key", state.MaxFile)
	if err != nil {
		return nil, false
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	return cert, err == nil
}

func readCertificate(path string) *x509.Certificate {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

func readableKey(path string) bool {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(text)
	return block != nil && len(block.Bytes) > 0
}

// tornKubeconfigs lists kubeconfigs that cannot be read or that carry another CA
// than the one in the folder of certificates.
func (r *run) tornKubeconfigs() []string {
	ca, _ := safefile.Read(filepath.Join(r.certificates(), "ca.crt"), state.MaxFile)
	var torn []string
	for _, name := range []string{"admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf",
		"scheduler.conf"} {
		path := r.layout.At("/etc/kubernetes/" + name)
		if !durable.Exists(path) {
			continue
		}
		if carried, rotated, ok := kubeconfigCA(path); ok && (rotated || bytes.Equal(bytes.TrimSpace(carried),
			bytes.TrimSpace(ca))) {
			continue
		}
		torn = append(torn, path)
	}
	return torn
}

// kubeconfigCA reads a kubeconfig's CA. ok is false when the file is not whole;
// rotated says that the client certificate lies in a file of its own, as in
// kubelet.conf once kubelet-finalize has been there.
func kubeconfigCA(path string) (ca []byte, rotated, ok bool) {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return nil, false, false
	}
	file, err := kubeconfig.Parse(text)
	if err != nil {
		return nil, false, false
	}
	cluster, errCluster := file.Cluster()
	user, errUser := file.User()
	if errCluster != nil || errUser != nil {
		return nil, false, false
	}
	if user.Text(kubeconfig.CertFile) != "" {
		return nil, true, true
	}
	cert, key, err := user.KeyPair()
	if err != nil {
		return nil, false, false
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return nil, false, false
	}
	ca, err = cluster.CAs()
	return ca, false, err == nil
}

// discardTorn removes manifests that a failing kubeadm left half written: it
// writes them in place, and the kubelet would read them.
func (r *run) discardTorn() {
	for _, c := range plan.Components() {
		path := r.layout.Manifest(c)
		text, err := safefile.Read(path, state.MaxFile)
		if err != nil || r.wasThere(path) {
			continue
		}
		if _, err := patch.Inspect(text); err != nil {
			_ = r.layout.FS.Remove(path)
		}
	}
}

// files lists the files below /etc/kubernetes that are not ours, by path below
// that folder. What cannot be read is not listed, and then not touched either: sweep
// reads a file before it removes it.
func files(l state.Layout) ([]string, error) {
	all, err := safefile.Files(l.Kubernetes(), state.MaxListed)
	if err != nil {
		return nil, err
	}
	ours := filepath.Base(l.State()) + "/"
	return slices.DeleteFunc(all, func(path string) bool { return strings.HasPrefix(path, ours) }), nil
}

func (r *run) wasThere(path string) bool {
	rel, err := filepath.Rel(r.layout.Kubernetes(), path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return true
	}
	for _, b := range r.journal.Before {
		if b == rel {
			return true
		}
	}
	return false
}
