package bootstrap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// kubeletFiles are what `kubeadm upgrade` writes of the kubelet's, in /var/lib/kubelet.
func kubeletFiles() []string {
	return []string{"config.yaml", "instance-config.yaml", "kubeadm-flags.env"}
}

// backUp copies /etc/kubernetes, less what is kubeadm-arm's own and kubeadm's old copies,
// and the kubelet's configuration. Every copy is read again.
func (r *run) backUp(ctx context.Context, s plan.BackUp, w *work) error {
	to := r.layout.At(s.To)
	if err := r.copyAll(ctx, to); err != nil {
		return fmt.Errorf("keep a copy of %s: %w", r.layout.Kubernetes(), err)
	}
	w.tell("kept in " + s.To)
	return nil
}

func (r *run) copyAll(ctx context.Context, to string) error {
	if err := tree.Remove(ctx, r.layout.FS, to); err != nil { // an interrupted run's
		return err
	}
	if err := r.layout.FS.MkdirAll(filepath.Join(to, "kubernetes"), 0o700); err != nil {
		return err
	}
	entries, err := safefile.List(r.layout.Kubernetes(), state.MaxListed)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains([]string{filepath.Base(r.layout.State()), "tmp"}, e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := r.copyOne(ctx, filepath.Join(r.layout.Kubernetes(), e.Name()),
			filepath.Join(to, "kubernetes", e.Name())); err != nil {
			return err
		}
	}
	for _, name := range kubeletFiles() {
		from := filepath.Join(filepath.Dir(r.layout.KubeletConfig()), name)
		if err := r.layout.FS.MkdirAll(filepath.Join(to, "kubelet"), 0o700); err != nil {
			return err
		}
		err := r.copyOne(ctx, from, filepath.Join(to, "kubelet", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.layout.FS.SyncFS(to)
}

func (r *run) copyOne(ctx context.Context, from, to string) error {
	if _, err := os.Lstat(from); err != nil {
		return err
	}
	_, err := tree.Copy(ctx, r.layout.FS, runner.Exec, from, to)
	return err
}

// renewCertificates renews what the control plane's next start reads. What runs goes on with
// the old certificates, which stay valid.
func (r *run) renewCertificates(ctx context.Context, s plan.RenewCertificates, w *work) error {
	kept, err := r.Renew(ctx)
	if err != nil {
		return err
	}
	if kept != "" {
		r.note(s, "the old certificates are in "+kept)
	}
	return nil
}

// serveEndpoint has the real kubeadm make the API server's certificate in a folder of its own, and
// puts it in the place of the old one, which BackUp has kept. Interrupted between the two files,
// it begins anew: key and certificate do not belong together then.
func (r *run) serveEndpoint(ctx context.Context, s plan.ServeEndpoint, w *work) error {
	base := filepath.Join(r.certificates(), "apiserver")
	old, whole := readPair(base)
	if whole && old.VerifyHostname(s.Host) == nil {
		return nil
	}
	dir := r.layout.Upgrade() + "-pki"
	if err := removeFolders(ctx, r.layout, dir); err != nil {
		return err
	}
	if err := r.layout.FS.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := r.copyFile(filepath.Join(r.certificates(), name), filepath.Join(dir, name), 0o600); err != nil {
			return err
		}
	}
	if err := r.configureEndpoint(s, dir); err != nil {
		return err
	}
	if err := r.initPhase(ctx, w, "certs", "apiserver"); err != nil {
		return err
	}
	made := filepath.Join(dir, "apiserver")
	if err := servesAll(made, old, s.Host); err != nil {
		return err
	}
	if err := r.copyFile(made+".key", base+".key", 0o600); err != nil {
		return err
	}
	if err := r.copyFile(made+".crt", base+".crt", 0o644); err != nil {
		return err
	}
	return removeFolders(ctx, r.layout, dir)
}

func (r *run) copyFile(from, to string, mode fs.FileMode) error {
	text, err := safefile.Read(from, state.MaxFile)
	if err != nil {
		return err
	}
	return r.layout.FS.WriteFile(to, text, mode)
}

// servesAll checks that a certificate is for a host and for all names of the old one, which may be
// nil: some may have been given by hand, and kubeadm does not know of them.
func servesAll(made string, old *x509.Certificate, host string) error {
	cert, whole := readPair(made)
	if !whole {
		return errors.New("make the API server's certificate: what kubeadm has made is not whole")
	}
	names := []string{host}
	if old != nil {
		names = append(names, old.DNSNames...)
		for _, ip := range old.IPAddresses {
			names = append(names, ip.String())
		}
	}
	for _, name := range names {
		if cert.VerifyHostname(name) != nil {
			return fmt.Errorf("make the API server's certificate: kubeadm's is not for %s; add it to apiServer.certSANs in the "+
				"ConfigMap kubeadm-config", name)
		}
	}
	return nil
}

// configureEndpoint writes the configuration for that, with another folder of certificates.
func (r *run) configureEndpoint(s plan.ServeEndpoint, dir string) error {
	c, err := r.Cluster.Clone()
	if err != nil {
		return err
	}
	c.SetCluster(c.API(), dir, "certificatesDir")
	version, err := kubeadm.ParseVersion(s.Version)
	if err != nil {
		return err
	}
	text, err := kubeadm.ManifestsConfig(c, version, s.Node, 0, "")
	if err != nil {
		return err
	}
	return r.layout.FS.WriteFile(r.layout.ManifestsConfig(), text, 0o600)
}

func (r *run) setEndpoint(ctx context.Context, s plan.SetEndpoint, _ *work) error {
	return r.SetEndpoint(ctx, s.Endpoint)
}

// restoreFiles puts the kubelet's configuration back where it differs.
func (r *run) restoreFiles(s plan.RestoreFiles) error {
	for _, name := range kubeletFiles() {
		text, err := safefile.Read(filepath.Join(r.layout.At(s.From), "kubelet", name), state.MaxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		to := filepath.Join(filepath.Dir(r.layout.KubeletConfig()), name)
		if err == nil {
			var info fs.FileInfo
			if info, err = os.Lstat(to); err == nil || errors.Is(err, fs.ErrNotExist) {
				mode := fs.FileMode(0o644)
				if info != nil {
					mode = info.Mode().Perm()
				}
				err = r.layout.FS.WriteFile(to, text, mode)
			}
		}
		if err != nil {
			return fmt.Errorf("put the kubelet's configuration back: %w", err)
		}
	}
	return nil
}
