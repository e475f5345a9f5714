package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// furnish lays out the board's files:
//
//	root/        the root folder: etc, var, root, … ; usr comes from this machine
//	usr/, work/  what is changed in usr (overlay)
//	containerd/  containerd's data: a folder of its own, since its snapshots are
//	             overlays that cannot lie on another overlay
func (b *board) furnish(programs string, extra []string) error {
	root := filepath.Join(b.dir, "root")
	for _, dir := range []string{"etc", "proc", "sys", "dev", "run", "tmp", "usr", "root", "mnt", "opt/cni", "home", "srv", "boot",
		"var/lib/kubelet", "var/lib/containerd", "var/lib/etcd", "var/log/pods", "var/log/containers", "var/tmp", "var/cache"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	// kubeadm's preflight wants etcd's folder absent or empty; etcd makes it.
	if err := os.Remove(filepath.Join(root, "var/lib/etcd")); err != nil {
		return err
	}
	for _, dir := range []string{"usr/bin", "usr/local/bin", "work", "containerd"} {
		if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib32", "lib64"} {
		if to, err := os.Readlink("/" + link); err == nil {
			if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
				return err
			}
		}
	}
	if err := copyTree("/etc/.", filepath.Join(root, "etc")); err != nil {
		return err
	}
	for _, dir := range []string{"etc/kubernetes", "etc/cni", "etc/containerd"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	for _, p := range []string{"kubeadm", "kubelet", "kubectl"} {
		if err := copyTree(filepath.Join(programs, p), filepath.Join(b.dir, "usr/bin", p)); err != nil {
			return err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	// The board has no systemd; lab itself answers to the name systemctl.
	if err := copyTree(exe, filepath.Join(b.dir, "usr/bin/systemctl")); err != nil {
		return err
	}
	for _, p := range extra {
		if err := copyTree(p, filepath.Join(b.dir, "usr/local/bin", filepath.Base(p))); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/hostname":                  b.Name + "\n",
		"etc/hosts":                     "127.0.0.1 localhost\n::1 localhost\n" + b.NodeIP + " " + b.Name + "\n",
		"etc/resolv.conf":               "# nobody listens there: the board has no network beyond itself, and CoreDNS wants a line\nnameserver " + b.NodeIP + "\n",
		"etc/machine-id":                machineID() + "\n",
		"etc/containerd/config.toml":    strings.ReplaceAll(containerdConfig, "SANDBOX", b.SandboxImage),
		"etc/crictl.yaml":               "runtime-endpoint: unix:///run/containerd/containerd.sock\n",
		"etc/cni/net.d/10-lab.conflist": cniConfig,
		"etc/kubeadm-lab.yaml":          strings.NewReplacer("NAME", b.Name, "ADDRESS", b.NodeIP, "VERSION", b.Version, "CONFIG_API", configAPI(b.Version), "CGROUPV1\n", kubeletCgroupV1(b.Version), "IGNORE\n", ignoredChecks()).Replace(kubeadmConfig),
	}
	for path, text := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		// A link of the copied /etc must not lead the write out of the board.
		if err := os.RemoveAll(full); err != nil {
			return err
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			return fmt.Errorf("furnish the board: %w", err)
		}
	}
	return nil
}

// machineID is a new one, in the form of machine-id(5): two machines with one
// id are one machine to Kubernetes.
func machineID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}

// configAPI is the kubeadm config API of a version.
func configAPI(version string) string {
	m := versionForm.FindStringSubmatch(version)
	if m != nil && len(m[1]) == 2 && m[1] < "31" {
		return "v1beta3"
	}
	return "v1beta4"
}

// kubeletCgroupV1 is the line that lets the kubelet start on cgroup v1. The
// field came with v1.31; an older kubelet refuses a field it does not know.
func kubeletCgroupV1(version string) string {
	if configAPI(version) == "v1beta4" {
		return "failCgroupV1: false\n"
	}
	return ""
}

// ignoredChecks are the preflight checks that this machine, not the board,
// fails: kubeadm refuses cgroup v1 since v1.35 unless told otherwise.
func ignoredChecks() string {
	if groups, err := findCgroups("any"); err == nil && !groups.v2 {
		return "  ignorePreflightErrors: [SystemVerification]\n"
	}
	return ""
}

// containerdConfig is Debian's containerd 1.6 with two needs of the lab: the
// oom score cannot be lowered without CAP_SYS_RESOURCE, which containers and
// some virtual machines lack, and there is no systemd to own the cgroups.
const containerdConfig = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "SANDBOX"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "lab",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.244.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// kubeadmConfig is what both the stock run and kubeadm-arm are given.
const kubeadmConfig = `apiVersion: kubeadm.k8s.io/CONFIG_API
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: ADDRESS
nodeRegistration:
  name: NAME
  criSocket: unix:///run/containerd/containerd.sock
IGNORE
---
apiVersion: kubeadm.k8s.io/CONFIG_API
kind: ClusterConfiguration
kubernetesVersion: VERSION
networking:
  podSubnet: 10.244.0.0/16
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
CGROUPV1
failSwapOn: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack:
  # The table's size belongs to the machine, not to a network namespace.
  maxPerCore: 0
  min: 0
`
