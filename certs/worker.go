package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// bootstrapConf is where the kubelet looks for a bootstrap kubeconfig (named in kubeadm's
// drop-in for its unit).
const bootstrapConf = "/etc/kubernetes/bootstrap-kubelet.conf"

// ParseToken takes a bootstrap token out of what `kubeadm token create` prints. Errors do
// not show the text.
func ParseToken(text []byte) (string, error) {
	lines := strings.Fields(string(text))
	if len(lines) != 1 || !kubeadm.IsToken(lines[0]) {
		return "", errors.New("the input is not a bootstrap token (six characters, a dot, sixteen characters)")
	}
	return lines[0], nil
}

// Bootstrap replaces the kubelet's expired client certificate by a bootstrap kubeconfig with
// a token, with which the kubelet asks the API server for a new certificate when it starts,
// as after a join. The old files are kept in a folder, which is returned; it is empty where
// an earlier run has kept them. Repeated, it continues where it stopped.
func (b Board) Bootstrap(token string) (kept string, err error) {
	text, err := b.bootstrapText(token)
	if err != nil {
		return "", fmt.Errorf("write the kubelet's bootstrap kubeconfig: %w", err)
	}
	var old []string
	for _, name := range []string{KubeletConf, KubeletClient} {
		if _, err := os.Lstat(b.at(name)); err == nil {
			old = append(old, name)
		}
	}
	undo := func(err error) (string, error) {
		err = fmt.Errorf("write the kubelet's bootstrap kubeconfig: nothing was changed: %w", err)
		return "", errors.Join(err, b.forget(journal{Kept: kept}))
	}
	if kept, err = b.keep([]newFile{{old: old}}); err != nil {
		return undo(err)
	}
	if err := b.FS.WriteFile(b.at(bootstrapConf), text, 0o600); err != nil {
		return undo(err)
	}
	// The kubelet uses the bootstrap kubeconfig where these are missing or have expired.
	for _, name := range []string{KubeletClient, KubeletConf} {
		if err := b.FS.Remove(b.at(name)); err != nil {
			return kept, fmt.Errorf("write the kubelet's bootstrap kubeconfig: %w", err)
		}
	}
	return kept, nil
}

// Bootstrapping reports whether there is a bootstrap kubeconfig, whose kubelet has no certificate yet.
func (b Board) Bootstrapping() bool { return durable.Exists(b.at(bootstrapConf)) }

// EndBootstrap removes the bootstrap kubeconfig with its token, once the kubelet has a
// certificate.
func (b Board) EndBootstrap() error { return b.FS.Remove(b.at(bootstrapConf)) }

// bootstrapText is a kubeconfig for the cluster that the kubelet knows already.
func (b Board) bootstrapText(token string) ([]byte, error) {
	cluster, err := clusterOf(b.root(), KubeletConf)
	if errors.Is(err, fs.ErrNotExist) {
		cluster, err = clusterOf(b.root(), bootstrapConf) // an interrupted run's
	}
	if err != nil {
		return nil, err
	}
	const name, user = "kubernetes", "tls-bootstrap-token-user"
	return yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": user + "@" + name,
		"clusters": []any{map[string]any{"name": name, "cluster": cluster}},
		"contexts": []any{map[string]any{
			"name": user + "@" + name, "context": map[string]any{"cluster": name, "user": user}}},
		"users": []any{map[string]any{"name": user, "user": map[string]any{"token": token}}},
	})
}

// clusterOf is the cluster of a kubeconfig's current context.
func clusterOf(root safefile.Root, file string) (kubeconfig.Entry, error) {
	text, err := root.Read(file, maxFile)
	if err != nil {
		return nil, err
	}
	conf, err := kubeconfig.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	cluster, err := conf.Cluster()
	if err == nil && cluster.Text("server") == "" {
		err = errors.New("its cluster has no server")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cluster, nil
}
