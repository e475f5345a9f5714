package main

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
)

// configs returns the files that configure containerd, its network and kubeadm
// on a board, by path below /etc. What kubeadm-lab.yaml says is what both a
// stock kubeadm init and kubeadm-arm are given.
func configs(b *board, sandboxImage string, cgroupV1 bool) (map[string]string, error) {
	minor := minorOf(b.Version)
	facts := struct {
		Name, Address, Version, API, SandboxImage, Ignore, CgroupDriver string
		FailCgroupV1, Systemd, ARM                                      bool
	}{Name: b.Name, Address: b.NodeIP, Version: b.Version, API: "v1beta4", SandboxImage: sandboxImage, CgroupDriver: "cgroupfs", FailCgroupV1: cgroupV1}
	if cgroupV1 && minor >= 31 {
		// kubeadm refuses cgroup v1 from v1.35 on; it is the machine's, not the board's.
		facts.Ignore = "SystemVerification"
	}
	if b.whole() {
		e, err := emulate.Find(b.Emulated)
		if err != nil {
			return nil, err
		}
		facts.CgroupDriver, facts.Systemd, facts.ARM = "systemd", true, e.GOARCH == "arm" && minor >= 31
		if cores, memory := b.size(e); cores < 2 || memory < 1700<<20 {
			// What the article's boards lack of kubeadm's least.
			facts.Ignore = "NumCPU, Mem"
		}
		if e.GOARM == "6" {
			// Kernels for one core have no cpusets, which the kubelet does without.
			facts.Ignore += ", SystemVerification"
		}
	}
	// failCgroupV1 came with v1.31, as did v1beta4; an older kubelet refuses a
	// field that it does not know.
	if minor < 31 {
		facts.API, facts.FailCgroupV1 = "v1beta3", false
	}
	if minor < 22 {
		facts.API = "v1beta2"
	}
	if minor < 15 {
		facts.API = "v1beta1"
	}
	files := map[string]string{}
	for path, text := range map[string]string{"containerd/config.toml": containerdConfig, "cni/net.d/10-lab.conflist": cniConfig, "kubeadm-lab.yaml": kubeadmConfig} {
		t, err := template.New(path).Delims("<", ">").Parse(text)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		var out strings.Builder
		if err := t.Execute(&out, facts); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		files[path] = out.String()
	}
	return files, nil
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
        "ranges": [[{"subnet": "10.244.0.0/24"}]],
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
networking:
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
