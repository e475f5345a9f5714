package board

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"text/template"

	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

// Config is what the files that configure containerd, its network and kubeadm on a
// board depend on.
type Config struct {
	Name, Address, Version string
	// API is kubeadm's, such as v1beta4.
	API string
	// SandboxImage is the image that holds a pod's namespaces.
	SandboxImage string
	CgroupDriver string
	// Ignore are preflight checks, with commas between them.
	Ignore string
	// FailCgroupV1 has the kubelet accept cgroup v1.
	FailCgroupV1 bool
	// PodSubnet is the range of the board's own pods.
	PodSubnet string
	// Endpoint is the control plane's name and port, where it has one.
	Endpoint string
	// Bare has no pod network.
	Bare bool
	// Systemd says that systemd owns the cgroups, ARM that etcd needs to know
	// that its CPU is good enough.
	Systemd, ARM bool
}

// Config is the same for every kind of board.
func (b *Board) Config(sandboxImage string) Config {
	c := Config{Name: b.Name, Address: b.NodeIP, Version: b.Version, API: "v1beta4", SandboxImage: sandboxImage,
		CgroupDriver: "cgroupfs", PodSubnet: b.podSubnet(), Bare: b.Bare}
	if b.Endpoint {
		c.Endpoint = EndpointName + ":6443"
	}
	// v1beta4 came with v1.31.
	minor := kube.Minor(b.Version)
	if minor < 31 {
		c.API = "v1beta3"
	}
	if minor < 22 {
		c.API = "v1beta2"
	}
	if minor < 15 {
		c.API = "v1beta1"
	}
	return c
}

// acceptCgroupV1 is for boards that have this machine's cgroup v1.
func (c Config) acceptCgroupV1() Config {
	// failCgroupV1 came with v1.31; an older kubelet refuses a field that it does not
	// know. kubeadm's check refuses cgroup v1 from v1.35 on.
	if kube.Minor(c.Version) >= 31 {
		c.FailCgroupV1, c.Ignore = true, "SystemVerification"
	}
	return c
}

// Files are the configuration files by path. What kubeadm-lab.yaml says is what both
// a stock kubeadm init and kubeadm-arm are given.
func (c Config) Files() (map[string]string, error) {
	files := map[string]string{}
	templates := map[string]string{"/etc/containerd/config.toml": containerdConfig, KubeadmConfig: kubeadmConfig}
	if !c.Bare {
		templates["/etc/cni/net.d/10-lab.conflist"] = cniConfig
	}
	for path, text := range templates {
		t, err := template.New(path).Delims("<", ">").Parse(text)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		var out strings.Builder
		if err := t.Execute(&out, c); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		files[path] = out.String()
	}
	return files, nil
}

// KubeadmConfig is the configuration for kubeadm init on every board.
const KubeadmConfig = "/etc/kubeadm-lab.yaml"

// Identity are the files that say which machine a board is.
func (b *Board) Identity() map[string]string {
	return map[string]string{
		"/etc/hostname": b.Name + "\n",
		// A hostname that does not resolve makes the kubelet stall 10 s on
		// every static pod.
		"/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n" + b.hosts([]*Board{b}),
		"/etc/resolv.conf": "# nobody listens there: the board has no network beyond itself, " +
			"and CoreDNS wants a line\n" +
			"nameserver " + b.NodeIP + "\n",
		"/etc/machine-id": machineID() + "\n",
	}
}

// containerdConfig is Debian's containerd 1.6 with two needs of the lab: the
// oom score cannot be lowered without CAP_SYS_RESOURCE, which containers and
// some virtual machines lack, and there is no systemd to own the cgroups.
const containerdConfig = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "<.SandboxImage>"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = <.Systemd>
`

const cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "lab",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "<.PodSubnet>"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// kubeadmConfig is what both the stock run and kubeadm-arm are given.
const kubeadmConfig = `apiVersion: kubeadm.k8s.io/<.API>
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: <.Address>
nodeRegistration:
  name: <.Name>
  criSocket: unix:///run/containerd/containerd.sock
<if .Ignore>  ignorePreflightErrors: [<.Ignore>]
<end>---
apiVersion: kubeadm.k8s.io/<.API>
kind: ClusterConfiguration
kubernetesVersion: <.Version>
<if .Endpoint>controlPlaneEndpoint: <.Endpoint>
<end>networking:
  podSubnet: 10.244.0.0/16
<if .ARM>etcd:
  local:
    # Without it etcd does not start on this CPU; kubeadm does not set it.
    extraEnvs:
    - name: ETCD_UNSUPPORTED_ARCH
      value: arm
<end>---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: <.CgroupDriver>
<if .FailCgroupV1>failCgroupV1: false
<end>failSwapOn: false
# The file system is the machine's. A machine whose disk is nearly full would
# taint the board's node, which then never runs CoreDNS, and would lose images
# that no registry can give again. Memory is the board's own.
evictionHard:
  memory.available: 100Mi
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
imageGCHighThresholdPercent: 100
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack:
  # The table's size belongs to the machine, not to a network namespace.
  maxPerCore: 0
  min: 0
`

// machineID is a new one, in the form of machine-id(5): two machines with one
// id are one machine to Kubernetes.
func machineID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
