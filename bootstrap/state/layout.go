package state

import (
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Limits of what is read: the largest file, a kubeconfig, has a few kilobytes, and the
// fullest folder some dozen entries.
const (
	MaxFile   = 4 << 20
	MaxListed = 10000
)

// Layout names the files of the board that a bootstrap reads and writes, all
// below one root, which is "/" but for tests.
type Layout struct {
	Root string
	// FS makes the changes below it.
	FS durable.FS
}

// At is the path of a file of the board's.
func (l Layout) At(path string) string { return filepath.Join(l.Root, path) }

// Manifests is the kubelet's folder of static pods. kubeadm fixes it
// (constants.ManifestsSubDirName).
func (l Layout) Manifests() string { return l.At("/etc/kubernetes/manifests") }

// Manifest is a component's file in it.
func (l Layout) Manifest(component string) string {
	return filepath.Join(l.Manifests(), component+".yaml")
}

// State is the folder that holds what a run must not lose. It lies beside the
// manifests so that moving a file between the two is one rename.
func (l Layout) State() string { return l.At("/etc/kubernetes/kubeadm-arm") }

// Backups is the folder of the copies of what an upgrade, or a fix of doctor's, changes.
func (l Layout) Backups() string { return l.At("/var/backups/kubeadm-arm") }

// Journal is the record of the run under way or interrupted.
func (l Layout) Journal() string { return filepath.Join(l.State(), "journal.json") }

// ConfigCopy is the configuration that kubeadm is given.
func (l Layout) ConfigCopy() string { return filepath.Join(l.State(), "config.yaml") }

// BootList is the path of the list of components, one a line, that are staged
// whenever the board starts, until those before them are healthy. It stays after
// a run.
func (l Layout) BootList() string { return filepath.Join(l.State(), "held-back") }

// Patches is the folder of kubeadm patches that repeat our changes when an
// upgrade writes the manifests anew.
func (l Layout) Patches() string { return filepath.Join(l.State(), "patches") }

// NextPatches is the same folder while an upgrade makes them anew: they take its place at the
// end.
func (l Layout) NextPatches() string { return filepath.Join(l.State(), "next-patches") }

// AllPatches is the folder of patches, the board's and the owner's, that kubeadm gets while it
// cannot have the two that they are from.
func (l Layout) AllPatches() string { return filepath.Join(l.State(), "all-patches") }

// Upgrade is the folder of the manifests that an upgrade has kubeadm write, and
// ManifestsConfig the configuration for that: the cluster's own, with the new version.
func (l Layout) Upgrade() string { return filepath.Join(l.State(), "upgrade") }

// ManifestsConfig is that file.
func (l Layout) ManifestsConfig() string { return filepath.Join(l.State(), "manifests-config.yaml") }

// ClusterConfig is the cluster's own configuration as it was when an upgrade began.
func (l Layout) ClusterConfig() string { return filepath.Join(l.State(), "cluster-config.yaml") }

// Lock keeps a second run out.
func (l Layout) Lock() string { return filepath.Join(l.State(), "lock") }

// Kubernetes is kubeadm's folder.
func (l Layout) Kubernetes() string { return l.At("/etc/kubernetes") }

// AdminConf and SuperAdminConf are kubeadm's kubeconfigs.
func (l Layout) AdminConf() string { return l.At("/etc/kubernetes/admin.conf") }

// SuperAdminConf is the one that needs no RBAC, since v1.29.
func (l Layout) SuperAdminConf() string { return l.At("/etc/kubernetes/super-admin.conf") }

// KubeletConf is the kubelet's kubeconfig: where it is, a node has been set up.
func (l Layout) KubeletConf() string { return l.At("/etc/kubernetes/kubelet.conf") }

// BootstrapConf is the kubeconfig with which a joining kubelet asks for its certificate. It
// holds a token.
func (l Layout) BootstrapConf() string { return l.At("/etc/kubernetes/bootstrap-kubelet.conf") }

// KubeletConfig is the kubelet's configuration, without which it does not run.
func (l Layout) KubeletConfig() string { return l.At("/var/lib/kubelet/config.yaml") }

// KubeletFlags are those that kubeadm gives the kubelet beside it.
func (l Layout) KubeletFlags() string { return l.At("/var/lib/kubelet/kubeadm-flags.env") }

// Certificates is kubeadm's folder of certificates; see [kubeadm.CertificatesDir].
func (l Layout) Certificates(c *kubeadm.Config, args kubeadm.Args) string {
	return l.At(kubeadm.CertificatesDir(c, args))
}

// CACert is the cluster's CA in kubeadm's default folder.
func (l Layout) CACert() string { return l.At("/etc/kubernetes/pki/ca.crt") }

// PodLogs is the kubelet's folder of container logs.
func (l Layout) PodLogs() string { return l.At("/var/log/pods") }

// Proc is the process file system.
func (l Layout) Proc() string { return l.At("/proc") }

// StagedPlaces are the folders that staged manifests can be in: which of them
// was used depends on what was mounted at the time.
func (l Layout) StagedPlaces() []string {
	return []string{filepath.Join(l.State(), "staged"), filepath.Join(l.Manifests(), ".kubeadm-arm-staged")}
}

// StaticPods is the folder for foreign static pods while kubeadm reset empties theirs.
func (l Layout) StaticPods() string { return filepath.Join(l.State(), "static-pods") }

// UnitName is the systemd unit that puts staged manifests back: those of a
// bootstrap that a power cut ended, and those that it stages itself whenever a slow
// board starts.
const UnitName = "kubeadm-arm-release.service"

// Unit is that unit's file, and UnitLink the link that has it started.
func (l Layout) Unit() string { return l.At("/etc/systemd/system/" + UnitName) }

// UnitLink is in the folder of what the target wants.
func (l Layout) UnitLink() string {
	return l.At("/etc/systemd/system/multi-user.target.wants/" + UnitName)
}

// PackagedUnits are where a package brings the unit.
func (l Layout) PackagedUnits() []string {
	return []string{l.At("/lib/systemd/system/" + UnitName), l.At("/usr/lib/systemd/system/" + UnitName)}
}

// DropIn is our drop-in for a unit of systemd's (systemd.unit(5)).
func (l Layout) DropIn(unit string) string {
	return l.At("/etc/systemd/system/" + unit + ".service.d/50-kubeadm-arm.conf")
}
