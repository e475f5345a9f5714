package hwdetect

import (
	"path/filepath"
	"strings"
)

// Node is what of Kubernetes is on the board.
type Node struct {
	// Systemd tells whether systemd runs the board (sd_booted(3)).
	Systemd bool `json:"systemd"`
	// KubeletUnit is the unit file's path, empty without one.
	KubeletUnit string `json:"kubeletUnit,omitempty"`
	// KubeletArgs are extra flags for the kubelet from /etc/default/kubelet or
	// /etc/sysconfig/kubelet (KUBELET_EXTRA_ARGS).
	KubeletArgs string `json:"kubeletArgs,omitempty"`
	// Left are files of a kubeadm that ran here, in the order in which it makes
	// them.
	Left []string `json:"left,omitempty"`
	// EtcdData tells whether etcd's folder holds anything, and PKI whether
	// there are keys of a cluster.
	EtcdData bool `json:"etcdData,omitempty"`
	PKI      bool `json:"pki,omitempty"`
	// CNI are the network configurations in /etc/cni/net.d.
	CNI []string `json:"cni,omitempty"`
}

func readNode(f files, etcdFolder string) Node {
	n := Node{Systemd: f.exists("/run/systemd/system"), EtcdData: len(f.names(etcdFolder)) > 0}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		if path := dir + "/kubelet.service"; f.exists(path) {
			n.KubeletUnit = path
			break
		}
	}
	for _, path := range []string{"/etc/default/kubelet", "/etc/sysconfig/kubelet"} {
		n.KubeletArgs += parseKubeletArgs(f.read(path))
	}
	n.PKI = f.exists("/etc/kubernetes/pki/ca.crt") || f.exists("/etc/kubernetes/pki/ca.key")
	for _, path := range []string{
		"/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/etcd/ca.crt",
		"/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf",
		"/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf",
		"/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env",
	} {
		if f.exists(path) {
			n.Left = append(n.Left, path)
		}
	}
	for _, name := range f.names("/etc/kubernetes/manifests") {
		if filepath.Ext(name) == ".yaml" && !strings.HasPrefix(name, ".") {
			n.Left = append(n.Left, "/etc/kubernetes/manifests/"+name)
		}
	}
	for _, name := range f.names("/etc/cni/net.d") {
		switch filepath.Ext(name) {
		case ".conf", ".conflist", ".json":
			n.CNI = append(n.CNI, name)
		}
	}
	return n
}

// parseKubeletArgs reads KUBELET_EXTRA_ARGS= from an environment file
// (systemd.exec(5), EnvironmentFile=); the last one counts.
func parseKubeletArgs(text []byte) string {
	args := ""
	for _, line := range lines(text) {
		if value, ok := strings.CutPrefix(line, "KUBELET_EXTRA_ARGS="); ok {
			args = strings.Trim(value, `"'`)
		}
	}
	return args
}
