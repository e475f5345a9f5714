package doctor

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

func neededPrograms(f Facts) []Finding {
	var missing, checks []string
	for _, name := range strings.Split(f.Kubeadm.Value(kubeadm.NeededPrograms), ",") {
		there, known := f.Host.InPath[name]
		if name == "crictl" && f.uses("Docker") {
			continue // kubeadm talks to Docker by docker(1)
		}
		if known && !there {
			missing = append(missing, name)
			checks = append(checks, "FileExisting-"+name)
		}
	}
	if len(missing) == 0 {
		return fine("small-programs", "those that kubeadm asks for are there")
	}
	packages := map[string]string{"conntrack": "conntrack", "cp": "coreutils", "crictl": "cri-tools", "ip": "iproute2",
		"iptables": "iptables", "losetup": "mount", "mount": "mount", "nsenter": "util-linux"}
	var install []string
	for _, name := range missing {
		if p := packages[name]; !slices.Contains(install, p) {
			install = append(install, p)
		}
	}
	return one(Finding{
		ID: "small-programs", Severity: Fail, Seen: "not in PATH: " + strings.Join(missing, ", "), Checks: checks,
		Means: "kubeadm's preflight refuses it",
		Fix:   []string{"sudo apt install " + strings.Join(install, " ")},
	})
}

func kubeletUnit(f Facts) []Finding {
	switch {
	case !f.Host.Node.Systemd && !f.Host.Stopped:
		return one(Finding{
			ID: "kubelet-unit", Severity: Info, Seen: "no systemd runs here",
			Means: "kubeadm cannot start the kubelet: something else has to, as soon as /var/lib/kubelet/config.yaml is there",
		})
	case f.Host.Services["kubelet.service"] == host.UnitMasked:
		return one(Finding{
			ID: "kubelet-unit", Severity: Fail, Seen: "kubelet.service is masked", Rule: KubeletRule,
			Means: "nothing can start the kubelet, and init would wait until it times out",
			Fix:   []string{f.systemctl("unmask", "kubelet.service")},
		})
	case f.Host.Services["kubelet.service"] == host.UnitDisabled && f.Host.Stopped:
		return one(Finding{
			ID: "kubelet-unit", Severity: Info, Seen: "kubelet.service is not enabled",
			Means: "nothing starts the kubelet at the next start",
			Fix:   []string{f.systemctl("enable", "kubelet.service")},
		})
	case f.Host.Node.KubeletUnit == "":
		return one(Finding{
			ID: "kubelet-unit", Severity: Fail, Seen: "there is no kubelet.service",
			Means: "nothing would start the kubelet, and init would wait until it times out",
			Fix: []string{
				"sudo apt install kubelet    # packages bring it; with a kubelet of your own:",
				`printf '[Unit]\nDescription=kubelet\nAfter=containerd.service\n[Service]\nEnvironment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf" "KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS\nRestart=always\nRestartSec=10\n[Install]\nWantedBy=multi-user.target\n' | sudo tee /etc/systemd/system/kubelet.service >/dev/null && sudo systemctl enable kubelet`,
			},
		})
	}
	return fine("kubelet-unit", f.Host.Node.KubeletUnit)
}

// kubeletFlags names a word of its unit's command line at which the kubelet stops.
func kubeletFlags(f Facts) []Finding {
	arg, why := f.Host.Node.RefusedKubeletArg()
	if arg == "" {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	where := cmp.Or(f.Host.Node.KubeletFlagFiles[name], f.Host.Node.KubeletUnit, "its unit and the files that this reads")
	return one(Finding{
		ID: "kubelet-flags", Severity: Fail, Rule: KubeletRule,
		Seen:  "the kubelet is started with " + arg,
		Means: "it ends at once with an error about its flags: " + why,
		Fix:   []string{"sudo nano " + where + "    # " + why, "sudo systemctl daemon-reload"},
	})
}

func kubeletVersion(f Facts) []Finding {
	if f.Kubelet == (kubeadm.Version{}) || !f.Known {
		return nil
	}
	plane := f.Kubeadm.Version
	if v, err := kubeadm.ParseVersion(f.Ask.KubernetesVersion); err == nil {
		plane = v
	}
	skew := number(f.Kubeadm.Value(kubeadm.KubeletSkew))
	seen := fmt.Sprintf("kubelet %s, kubeadm %s, control plane %s", f.Kubelet, f.Kubeadm.Version, plane)
	fix := []string{fmt.Sprintf("sudo apt install kubelet='%d.%d.*' kubeadm='%d.%d.*'", plane.Major, plane.Minor,
		plane.Major, plane.Minor)}
	switch {
	case f.Kubelet.Behind(plane) < 0 && f.Join == nil: // joining, the cluster's own version counts
		return one(Finding{
			ID: "kubelet-version", Severity: Fail, Seen: seen, Checks: []string{"KubeletVersion"},
			Means: "a kubelet may never be newer than its API server: kubeadm's preflight refuses it", Fix: fix,
		})
	case f.Kubelet.Behind(f.Kubeadm.Version) > skew:
		return one(Finding{
			ID: "kubelet-version", Severity: Fail, Seen: seen, Checks: []string{"KubeletVersion"},
			Means: fmt.Sprintf("it may be %d minor versions older at most: kubeadm's preflight refuses it", skew), Fix: fix,
		})
	}
	return fine("kubelet-version", seen)
}

// officialImages reports whether images come from Kubernetes' own registry.
func (f Facts) officialImages() bool {
	switch f.Ask.ImageRepository {
	case "", "registry.k8s.io", "k8s.gcr.io":
		return true
	}
	return false
}

// buildImages is the command that builds a version's images for this board.
func (f Facts) buildImages(version string) string {
	switch f.Board.CPU.Arch {
	case hwdetect.ARMv5:
		return "kubeadm-arm images build --help" // there is none for it
	case hwdetect.ARMv6:
		return "kubeadm-arm images build --cpu armv6 --kubernetes " + version
	}
	return "kubeadm-arm images build --cpu armv7 --kubernetes " + version
}

func images(f Facts) []Finding {
	if !f.Board.ARM32() {
		return nil
	}
	old := f.Board.CPU.Arch == hwdetect.ARMv5 || f.Board.CPU.Arch == hwdetect.ARMv6
	none := !f.Kubeadm.HasARM32Images()
	if !old && !none || !f.officialImages() {
		return nil
	}
	plane := f.version()
	if kubeadm.IsExact(f.Ask.KubernetesVersion) {
		plane = "v" + strings.TrimPrefix(f.Ask.KubernetesVersion, "v")
	}
	for _, i := range f.Images {
		if strings.HasSuffix(i, "/kube-apiserver:"+plane) {
			return fine("images", i+" is on the board")
		}
	}
	found := Finding{
		ID: "images", Severity: Warning, Seen: "there are no official images of Kubernetes " + plane + " for 32-bit ARM",
		Means:  "they ended with v1.26; images of your own have to be on the board before that",
		Checks: []string{"ImagePull"},
		Fix:    []string{f.buildImages(plane) + "    # on a PC; then import them here"},
	}
	if f.ImagesKnown {
		// Asked and not there: they would be pulled from where there are none.
		found.Severity = Fail
		found.Seen += ", and none is on the board"
	}
	if old {
		found.Means = fmt.Sprintf("the official ones were built for ARMv7 since v1.6 and die of Illegal instruction on "+
			"this %s; images of your own have to be on the board before that", f.Board.CPU.Arch)
	}
	return one(found)
}

func etcdArch(f Facts) []Finding {
	if !f.Board.ARM32() || f.Ask.ExternalEtcd || f.Ask.EtcdArchSet {
		return nil
	}
	if f.Kubeadm.HasARM32Images() && f.officialImages() {
		return nil // those images set it themselves
	}
	found := Finding{
		ID: "etcd-arch", Severity: Info, Seen: "etcd exits at once on 32-bit ARM unless ETCD_UNSUPPORTED_ARCH=arm is set",
		Means: "kubeadm-arm init sets it; with kubeadm alone it is for you to do",
		Fix: []string{
			"# in the ClusterConfiguration that --config names:",
			"etcd: {local: {extraEnvs: [{name: ETCD_UNSUPPORTED_ARCH, value: arm}]}}",
		},
	}
	if !f.Kubeadm.ExtraArgsAreList() {
		found.Fix = []string{
			"# in a file etcd.yaml in the folder that --patches (or patches.directory) names:",
			"{apiVersion: v1, kind: Pod, metadata: {name: etcd}, spec: {containers: [{name: etcd, env: [{name: " +
				"ETCD_UNSUPPORTED_ARCH, value: arm}]}]}}",
		}
	}
	return one(found)
}

// clusterHere reports whether a control plane is set up on the board: kubeconfig of
// the kubelet, an API server's manifest, and somebody on its port.
func (f Facts) clusterHere() bool {
	conf, manifest, port := false, false, false
	for _, path := range f.Host.Node.Left {
		conf = conf || path == "/etc/kubernetes/kubelet.conf"
		manifest = manifest || strings.HasSuffix(path, "/kube-apiserver.yaml")
	}
	for _, l := range f.Host.Network.Listeners {
		port = port || l.Port == f.Ask.APIPort
	}
	return conf && manifest && (port || f.Host.Stopped)
}

// staticPods names the pods in the manifests folder that are not kubeadm's, such
// as kube-vip's. kubeadm's preflight lets them be, and so does this program.
func staticPods(f Facts) []Finding {
	var all []string
	for _, p := range f.Host.Node.StaticPods {
		if slices.Contains([]string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"},
			p.Pod) && !f.Resuming {
			return one(Finding{
				ID: "static-pods", Severity: Fail, Rule: KubeletRule,
				Seen: "/etc/kubernetes/manifests/" + p.File + " is a second pod of the name " + p.Pod,
				Means: "the kubelet reads files of any ending there, also a copy that an editor or you have kept, and takes one " +
					"of the two",
				Fix: []string{"sudo mv /etc/kubernetes/manifests/" + shell.Quote(p.File) + " /root/"},
			})
		}
		all = append(all, p.File)
	}
	if len(all) == 0 {
		return nil
	}
	return one(Finding{
		ID: "static-pods", Severity: Info, Rule: OwnRule,
		Seen: "in /etc/kubernetes/manifests, and not kubeadm's: " + strings.Join(all, ", "),
		Means: "they stay as they are, and the kubelet starts them as soon as it runs: the usual way to a virtual address " +
			"(kube-vip, keepalived)",
	})
}

func leftovers(f Facts) []Finding {
	n := f.Host.Node
	switch {
	case f.Resuming:
		return nil
	case f.clusterHere():
		return one(Finding{
			ID: "cluster", Severity: Info, Seen: "a control plane is set up on this board",
			Means: "init refuses to set up a second one",
		})
	case f.Journal:
		return one(Finding{
			ID: "leftovers", Severity: Info, Seen: "a run of kubeadm-arm init was interrupted here",
			Means: "resume continues where it stopped",
			Fix:   []string{"sudo kubeadm-arm resume    # or give it up: sudo kubeadm-arm abort"},
		})
	}
	var left []string
	var checks []string
	for _, path := range n.Left {
		name := ""
		switch {
		case strings.HasPrefix(path, "/etc/kubernetes/manifests/"):
			name = "FileAvailable--etc-kubernetes-manifests-" + filepath.Base(path)
		case path == "/etc/kubernetes/kubelet.conf", path == "/var/lib/kubelet/config.yaml", f.Join.stopsAt(path):
			name = "FileAvailable-" + strings.ReplaceAll(path, "/", "-")
		}
		left = append(left, path)
		if name != "" {
			checks = append(checks, name)
		}
	}
	if n.EtcdData && !n.EtcdFresh && !f.Ask.ExternalEtcd {
		left = append(left, f.Ask.EtcdFolder+" (not empty)")
		checks = append(checks, "DirAvailable-"+strings.ReplaceAll(f.Ask.EtcdFolder, "/", "-"))
	}
	if len(left) == 0 {
		return fine("leftovers", "nothing left over from an earlier kubeadm")
	}
	found := Finding{
		ID: "leftovers", Severity: Info, Seen: "left over from an earlier kubeadm: " + strings.Join(left, ", "),
		Means: "certificates and kubeconfigs that fit are used again",
		Fix:   []string{"sudo kubeadm-arm reset    # to start over: it removes all of this, and the cluster's data"},
	}
	if len(checks) > 0 {
		found.Severity, found.Checks = Fail, checks
		found.Means = "kubeadm's preflight refuses to start with these in place"
	}
	if len(n.CNI) > 0 && len(checks) > 0 {
		found.Fix = append(found.Fix, "sudo rm -r /etc/cni/net.d    # the old pod network's; reset leaves it")
	}
	return one(found)
}
