package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// Node is the parts of Kubernetes on the board.
type Node struct {
	// Systemd reports whether systemd runs the board (sd_booted(3)).
	Systemd bool `json:"systemd"`
	// KubeletUnit is the unit file's path, empty without one.
	KubeletUnit string `json:"kubeletUnit,omitempty"`
	// KubeletArgs are the flags that the kubelet is started with, from its unit,
	// the unit's drop-ins and the files of variables that these name.
	KubeletArgs []string `json:"kubeletArgs,omitempty"`
	// KubeletFlagFiles are the files that set those of the flags which a setting of
	// the configuration cannot take back, by the flags' names.
	KubeletFlagFiles map[string]string `json:"kubeletFlagFiles,omitempty"`
	// KubeletConfig are settings in the kubelet's configuration file and in the
	// files of its folder of drop-ins, by their names.
	KubeletConfig map[string]string `json:"kubeletConfig,omitempty"`
	// StaticPods are the files in the manifests folder that the kubelet reads
	// and kubeadm has not made, such as kube-vip.yaml.
	StaticPods []StaticPod `json:"staticPods,omitempty"`
	// Left are files of a kubeadm that ran here, in the order in which it makes
	// them.
	Left []string `json:"left,omitempty"`
	// EtcdData reports whether etcd's folder holds anything, and PKI whether
	// there are keys of a cluster.
	EtcdData bool `json:"etcdData,omitempty"`
	// EtcdFresh is set when it holds nothing but the lost+found of a file system
	// that was just made.
	EtcdFresh bool `json:"etcdFresh,omitempty"`
	PKI       bool `json:"pki,omitempty"`
	// CAKey reports whether the key that signs a node's certificates is here.
	CAKey bool `json:"caKey,omitempty"`
	// CNI are the network configurations in /etc/cni/net.d.
	CNI []string `json:"cni,omitempty"`
}

// StaticPod is a file in the manifests folder.
type StaticPod struct {
	File string `json:"file"`
	// Pod is the name of the pod in kube-system that it describes, empty when it
	// describes none.
	Pod string `json:"pod,omitempty"`
}

// podName is the name of the pod in kube-system that a manifest describes.
func podName(text []byte) (name string) {
	defer func() {
		if recover() != nil { // on some broken input the YAML reader panics
			name = ""
		}
	}()
	var pod struct {
		Metadata struct{ Name, Namespace string }
	}
	if yaml.Unmarshal(text, &pod) != nil || pod.Metadata.Namespace != "kube-system" {
		return ""
	}
	return pod.Metadata.Name
}

func readNode(f files, etcdFolder string) Node {
	n := Node{Systemd: f.Exists("/run/systemd/system"), EtcdData: len(f.Names(etcdFolder)) > 0}
	n.EtcdFresh = slices.Equal(f.Names(etcdFolder), []string{"lost+found"})
	u := readUnit(f, "kubelet.service")
	n.KubeletUnit, n.KubeletArgs = u.path, kubeletArgs(f, u)
	n.KubeletConfig = kubeletConfig(f, n)
	for _, flag := range []string{"cgroup-driver", "fail-swap-on", "resolv-conf"} {
		arg, _ := n.RefusedKubeletArg()
		if n.KubeletFlag(flag) == "" && !strings.Contains(strings.ReplaceAll(arg, "_", "-"), flag) {
			continue
		}
		if n.KubeletFlagFiles == nil {
			n.KubeletFlagFiles = map[string]string{}
		}
		n.KubeletFlagFiles[flag] = withoutUnit(f, u).sets(f, flag)
	}
	n.CAKey = f.Exists("/etc/kubernetes/pki/ca.key")
	n.PKI = f.Exists("/etc/kubernetes/pki/ca.crt") || f.Exists("/etc/kubernetes/pki/ca.key")
	for _, path := range []string{
		"/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/etcd/ca.crt",
		"/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf", "/etc/kubernetes/kubelet.conf",
		"/etc/kubernetes/bootstrap-kubelet.conf",
		"/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf",
		"/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env",
	} {
		if f.Exists(path) {
			n.Left = append(n.Left, path)
		}
	}
	// The kubelet reads every file without a leading dot, whatever its ending
	// (pkg/kubelet/config/file.go).
	for _, name := range f.Names("/etc/kubernetes/manifests") {
		switch {
		case slices.Contains([]string{"etcd.yaml", "kube-apiserver.yaml", "kube-controller-manager.yaml",
			"kube-scheduler.yaml"}, name):
			n.Left = append(n.Left, "/etc/kubernetes/manifests/"+name)
		case !strings.HasPrefix(name, ".") && !f.Folder("/etc/kubernetes/manifests/"+name):
			n.StaticPods = append(n.StaticPods, StaticPod{name, podName(f.Read("/etc/kubernetes/manifests/" + name))})
		}
	}
	for _, name := range f.Names("/etc/cni/net.d") {
		switch filepath.Ext(name) {
		case ".conf", ".conflist", ".json":
			n.CNI = append(n.CNI, name)
		}
	}
	return n
}

// withoutUnit is a unit, or where it starts nothing the files that kubeadm's own
// drop-in reads.
func withoutUnit(f files, u unit) unit {
	if len(u.command(f)) == 0 {
		u.settings = []setting{{"EnvironmentFile", "/etc/default/kubelet"}, {"EnvironmentFile", "/etc/sysconfig/kubelet"}}
	}
	return u
}

// kubeletArgs are the kubelet's flags. A unit that starts nothing, such as one
// that is still to be written, is taken to read what kubeadm's own drop-in reads.
func kubeletArgs(f files, u unit) []string {
	if words := u.command(f); len(words) > 0 {
		return words[1:]
	}
	var all []string
	for _, path := range []string{"/etc/default/kubelet", "/etc/sysconfig/kubelet"} {
		all = append(all, unitWords(parseEnvironment(f.Read(path))["KUBELET_EXTRA_ARGS"])...)
	}
	return all
}

// kubeletConfig reads the kubelet's configuration (kubelet.config.k8s.io) and then
// its drop-ins, files ending in .conf in the order of their names
// (pkg/kubelet/kubelet.go, --config-dir).
func kubeletConfig(f files, n Node) map[string]string {
	all := map[string]string{}
	read := func(path string) {
		defer func() { _ = recover() }() // on some broken input the YAML reader panics
		var doc map[string]any
		if yaml.Unmarshal(f.Read(path), &doc) == nil {
			for _, name := range []string{"failSwapOn", "failCgroupV1", "cgroupDriver"} {
				if v, ok := doc[name]; ok && v != nil {
					all[name] = fmt.Sprint(v)
				}
			}
		}
	}
	main := n.KubeletFlag("config")
	if main == "" {
		main = "/var/lib/kubelet/config.yaml"
	}
	read(main)
	if dir := n.KubeletFlag("config-dir"); dir != "" {
		for _, name := range f.Names(dir) {
			if filepath.Ext(name) == ".conf" {
				read(filepath.Join(dir, name))
			}
		}
	}
	return all
}

// KubeletFlag is the value of one of the kubelet's flags, empty when it is not
// set. The last one counts, and a switch without a value is "true".
func (n Node) KubeletFlag(name string) string {
	value, _ := n.kubeletFlag(name)
	return value
}

// KubeletFlagText is a flag of the kubelet's with its value as they are written.
func (n Node) KubeletFlagText(name string) string {
	_, written := n.kubeletFlag(name)
	return written
}

func (n Node) kubeletFlag(name string) (value, written string) {
	for i, arg := range n.KubeletArgs {
		flag, v, has := strings.Cut(arg, "=")
		// The kubelet takes underscores for hyphens (component-base/cli/flag).
		if flag, ok := strings.CutPrefix(flag, "--"); !ok || strings.ReplaceAll(flag, "_", "-") != name {
			continue
		}
		value, written = "true", arg
		switch {
		case has:
			value = v
		case name != failSwapOn && i+1 < len(n.KubeletArgs):
			value = n.KubeletArgs[i+1]
			written += " " + value
		}
	}
	return value, written
}

// failSwapOn is the switch among the flags that are read here: pflag takes no word
// after it for its value.
const failSwapOn = "fail-swap-on"

// RefusedKubeletArg is the first word of its command line that the kubelet stops at,
// as far as that can be found out without its list of flags, and why; empty without one.
// All of its flags have two hyphens but -v and -h (pflag, parseShortArg).
func (n Node) RefusedKubeletArg() (arg, why string) {
	for i, arg := range n.KubeletArgs {
		name, value, has := strings.Cut(arg, "=")
		name = strings.ReplaceAll(name, "_", "-")
		switch {
		case strings.HasPrefix(arg, "---"):
			return arg, "the kubelet's flags have two hyphens"
		case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && len(name) > 2 && arg[1] != 'v' && arg[1] != 'h':
			return arg, "the kubelet's flags have two hyphens: -" + arg
		case name != "--"+failSwapOn:
		case has:
			if _, err := strconv.ParseBool(value); err != nil {
				return arg, "its value has to be true or false"
			}
		case i+1 < len(n.KubeletArgs) && !strings.HasPrefix(n.KubeletArgs[i+1], "-"):
			return arg + " " + n.KubeletArgs[i+1], "the value of a switch is joined to it: " + arg + "=" + n.KubeletArgs[i+1]
		}
	}
	return "", ""
}
