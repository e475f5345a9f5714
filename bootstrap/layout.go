package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Limits of what is read: the largest file, a kubeconfig, has a few kilobytes, and the
// fullest folder some dozen entries.
const (
	maxFile   = 4 << 20
	maxListed = 10000
)

// Layout names the files of the board that a bootstrap reads and writes, all
// below one root, which is "/" but for tests.
type Layout struct {
	Root string
	// FS makes the changes below it.
	FS durable.FS
}

func (l Layout) at(path string) string { return filepath.Join(l.Root, path) }

// Manifests is the kubelet's folder of static pods. kubeadm fixes it
// (constants.ManifestsSubDirName).
func (l Layout) Manifests() string { return l.at("/etc/kubernetes/manifests") }

// Manifest is a component's file in it.
func (l Layout) Manifest(component string) string {
	return filepath.Join(l.Manifests(), component+".yaml")
}

// State is the folder that holds what a run must not lose. It lies beside the
// manifests so that moving a file between the two is one rename.
func (l Layout) State() string { return l.at("/etc/kubernetes/kubeadm-arm") }

// Journal is the record of the run under way or interrupted.
func (l Layout) Journal() string { return filepath.Join(l.State(), "journal.json") }

// ConfigCopy is the configuration that kubeadm is given.
func (l Layout) ConfigCopy() string { return filepath.Join(l.State(), "config.yaml") }

// HeldBack is the path of the list of components, one a line, that are staged
// whenever the board starts, until those before them are healthy. It stays after
// a run.
func (l Layout) HeldBack() string { return filepath.Join(l.State(), "held-back") }

// Patches is the folder of kubeadm patches that repeat our changes when an
// upgrade writes the manifests anew.
func (l Layout) Patches() string { return filepath.Join(l.State(), "patches") }

// Lock keeps a second run out.
func (l Layout) Lock() string { return filepath.Join(l.State(), "lock") }

// Kubernetes is kubeadm's folder.
func (l Layout) Kubernetes() string { return l.at("/etc/kubernetes") }

// AdminConf and SuperAdminConf are kubeadm's kubeconfigs.
func (l Layout) AdminConf() string { return l.at("/etc/kubernetes/admin.conf") }

// SuperAdminConf is the one that needs no RBAC, since v1.29.
func (l Layout) SuperAdminConf() string { return l.at("/etc/kubernetes/super-admin.conf") }

// KubeletConf is the kubelet's kubeconfig: where it is, a node has been set up.
func (l Layout) KubeletConf() string { return l.at("/etc/kubernetes/kubelet.conf") }

// KubeletConfig is the kubelet's configuration, without which it does not run.
func (l Layout) KubeletConfig() string { return l.at("/var/lib/kubelet/config.yaml") }

// Certificates is kubeadm's folder of certificates; see [kubeadm.CertificatesDir].
func (l Layout) Certificates(c *kubeadm.Config, args kubeadm.InitArgs) string {
	return l.at(kubeadm.CertificatesDir(c, args))
}

// CACert is the cluster's CA in kubeadm's default folder.
func (l Layout) CACert() string { return l.at("/etc/kubernetes/pki/ca.crt") }

// PodLogs is the kubelet's folder of container logs.
func (l Layout) PodLogs() string { return l.at("/var/log/pods") }

// Proc is the process file system.
func (l Layout) Proc() string { return l.at("/proc") }

// staged is the folder that staged manifests wait in. It has to be in the file
// system of the manifests folder: a rename is whole or not at all, a copy is
// not. Where the manifests folder is a mount of its own, a dotted subfolder of
// it serves: the kubelet reads neither dotted names nor subfolders
// (pkg/kubelet/config/file.go).
func (l Layout) staged() (string, error) {
	beside, err := device(filepath.Dir(l.State()))
	if err != nil {
		return "", err
	}
	inside, err := device(l.Manifests())
	if os.IsNotExist(err) {
		inside, err = beside, nil
	}
	if err != nil {
		return "", err
	}
	if beside == inside {
		return filepath.Join(l.State(), "staged"), nil
	}
	return filepath.Join(l.Manifests(), ".kubeadm-arm-staged"), nil
}

func device(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("find the file system of %s: not supported here", path)
	}
	return uint64(stat.Dev), nil //nolint:unconvert // 32 bits wide on some architectures
}
