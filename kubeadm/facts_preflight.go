package kubeadm

// The rows of the version table of what a board has to bring: kubeadm's
// preflight checks, the kubelet's demands and the container runtime's.
const (
	MemoryCheck      FactName = "preflight Mem, in MiB"
	SwapCheck        FactName = "preflight Swap"
	BridgeCheck      FactName = "preflight asks for bridge-nf-call-iptables"
	NeededPrograms   FactName = "programs that preflight wants in PATH"
	ControlPlanePort FactName = "ports of controller-manager and scheduler"
	KernelReleases   FactName = "kernel releases that preflight accepts"
	NeededCgroups    FactName = "cgroup controllers that preflight wants"
	KubeletSkew      FactName = "minor versions that the kubelet may be older"
	PolicySkew       FactName = "minor versions that a cluster's kubelets may be older"
	RuntimeAPI       FactName = "CRI versions that the kubelet speaks"
	Dockershim       FactName = "kubelet talks to Docker itself"
	CgroupDriver     FactName = "kubelet's cgroup driver unless set"
	CgroupV2         FactName = "kubelet on cgroup v2"
	RuntimeChoice    FactName = "container runtime that kubeadm takes"
	ForwardingChecks FactName = "address families whose forwarding preflight asks for"
	DriverFromCRI    FactName = "kubelet takes its cgroup driver from the runtime"
	RenewCerts       FactName = "certificates are renewed by"
	RenewKubeconfigs FactName = "that renews kubeconfigs, too"
	DockerDriver     FactName = "kubelet's cgroup driver with Docker"
)

// preflightFacts are those rows.
func preflightFacts() []Fact {
	return []Fact{
		fact(MemoryCheck, 13, 19, "", "memory is not asked for", "constants/constants.go at v1.19.16"),
		fact(MemoryCheck, 20, 0, "1700", "most old boards have less; the check can be ignored", "constants/constants.go at v1.20.15 and v1.37.2"),
		fact(SwapCheck, 13, 22, "error", "", "preflight/checks.go at v1.13.1 and v1.22.17"),
		fact(SwapCheck, 23, 0, "warning", "the kubelet refuses to start all the same unless failSwapOn is false", "preflight/checks.go at v1.23.17 and v1.37.2"),
		fact(BridgeCheck, 13, 29, "yes", "br_netfilter has to be loaded before init", "preflight/checks_linux.go at v1.29.15"),
		fact(BridgeCheck, 30, 0, "no", "most pod networks want it all the same", "preflight/checks_linux.go at v1.30.14"),
		fact(NeededPrograms, 13, 17, "crictl,ip,iptables,mount,nsenter", "crictl not where Docker is the runtime", "preflight/checks.go at v1.13.1 and v1.17.17"),
		fact(NeededPrograms, 18, 30, "crictl,conntrack,ip,iptables,mount,nsenter", "crictl not where Docker is the runtime", "preflight/checks.go at v1.18.20 and v1.30.14"),
		fact(NeededPrograms, 31, 31, "conntrack,ip,iptables,mount,nsenter", "", "preflight/checks_linux.go at v1.31.14"),
		fact(NeededPrograms, 32, 32, "ip,iptables,mount,nsenter", "conntrack for a control plane before v1.32 only", "preflight/checks_linux.go at v1.32.13"),
		fact(NeededPrograms, 33, 0, "cp,losetup,mount", "", "preflight/checks_linux.go at v1.33.13 and v1.37.2"),
		fact(ControlPlanePort, 13, 15, "10252,10251", "", "preflight/checks.go at v1.13.1 and v1.15.12"),
		fact(ControlPlanePort, 16, 0, "10257,10259", "", "preflight/checks.go at v1.16.15 and v1.37.2"),
		// The patterns are k8s.io/system-validators' own, between blanks.
		fact(KernelReleases, 13, 13, `3\.[1-9][0-9].* 4\..*`, "3.10 to 4", "util/system/types_unix.go at v1.13.1"),
		fact(KernelReleases, 14, 15, `3\.[1-9][0-9].* 4\..* 5\..*`, "3.10 to 5", "util/system/types_unix.go at v1.14.10 and v1.15.12"),
		fact(KernelReleases, 16, 31, `^3\.[1-9][0-9].*$ ^([4-9]|[1-9][0-9]+)\.([0-9]+)\.([0-9]+).*$`, "3.10 and newer", "k8s.io/system-validators v1.0.4 to v1.8.0"),
		fact(KernelReleases, 32, 33, `^4\.19.*$ ^4\.[2-9][0-9].*$ ^([5-9]|[1-9][0-9]+)\.([0-9]+)\.([0-9]+).*$`, "4.19 and newer", "k8s.io/system-validators v1.9.2"),
		fact(KernelReleases, 34, 0, `^5\.4.*$ ^5\.10.*$ ^5\.15.*$ ^([6-9]|[1-9][0-9]+)\.([0-9]+)\.([0-9]+).*$`, "5.4, 5.10, 5.15, and 6 and newer", "k8s.io/system-validators v1.10.2 and v1.12.1"),
		fact(NeededCgroups, 13, 19, "cpu,cpuset,memory", "", "k8s.io/system-validators v1.1.2"),
		fact(NeededCgroups, 20, 0, "cpu,cpuset,memory,pids", "those that can be determined without changing anything", "k8s.io/system-validators v1.2.0 and v1.12.1"),
		fact(KubeletSkew, 13, 28, "1", "", "constants/constants.go at v1.28.15"),
		fact(KubeletSkew, 29, 0, "3", "", "constants/constants.go at v1.29.15 and v1.37.2"),
		fact(PolicySkew, 13, 27, "2", "an upgrade would leave them behind", "kubernetes.io/releases/version-skew-policy"),
		fact(PolicySkew, 28, 0, "3", "an upgrade would leave them behind", "kubernetes.io/releases/version-skew-policy"),
		fact(RuntimeAPI, 13, 22, "v1alpha2", "containerd before 2.0", "pkg/kubelet/cri/remote/remote_runtime.go at v1.22.17"),
		fact(RuntimeAPI, 23, 25, "v1,v1alpha2", "", "pkg/kubelet/cri/remote/remote_runtime.go at v1.23.17"),
		fact(RuntimeAPI, 26, 0, "v1", "containerd 1.6 and newer", "pkg/kubelet/cri/remote/remote_runtime.go at v1.26.15"),
		fact(Dockershim, 13, 23, "yes", "", "pkg/kubelet/dockershim at v1.23.17"),
		fact(Dockershim, 24, 0, "no", "Docker needs cri-dockerd", "pkg/kubelet at v1.24.17"),
		fact(RuntimeChoice, 13, 13, "Docker", "unless a socket is named", "apis/kubeadm/v1beta1/defaults.go at v1.13.1"),
		fact(RuntimeChoice, 14, 23, "Docker first", "containerd only where Docker is not; CRI-O beside either of them is an error", "util/runtime/runtime.go at v1.14.10, v1.18.20 and v1.23.17"),
		fact(RuntimeChoice, 24, 0, "exactly one", "of containerd, CRI-O and cri-dockerd; two are an error before preflight", "util/runtime/runtime.go at v1.24.17 and v1.37.2"),
		fact(ForwardingChecks, 13, 26, "IPv4; IPv6 with such an address", "by localAPIEndpoint.advertiseAddress", "preflight/checks.go at v1.13.1 and v1.26.15"),
		fact(ForwardingChecks, 27, 0, "those of the addresses and subnets", "the service subnet is IPv4 unless set", "preflight/checks.go at v1.27.16 and v1.37.2"),
		fact(DockerDriver, 13, 21, "Docker's", "kubeadm asks docker info", "phases/kubelet/flags.go at v1.13.1, componentconfigs/kubelet.go at v1.21.14"),
		fact(DockerDriver, 22, 23, "its own", "the kubelet exits when Docker's is another one", "componentconfigs/kubelet.go at v1.22.17 and v1.23.17"),
		fact(DockerDriver, 24, 0, "", "the kubelet does not talk to Docker", "pkg/kubelet at v1.24.17"),
		fact(DriverFromCRI, 13, 30, "no", "", "pkg/features at v1.30.14"),
		fact(DriverFromCRI, 31, 0, "yes", "where the runtime reports it: containerd from 2.0 on", "pkg/features/kube_features.go at v1.37.2, KubeletCgroupDriverFromCRI"),
		fact(RenewCerts, 13, 19, "alpha certs renew all", "never the kubelet's client certificate, which renews itself until it has expired", "cmd/alpha/certs.go at v1.13.1 and v1.18.20"),
		fact(RenewCerts, 20, 0, "certs renew all", "never the kubelet's client certificate, which renews itself until it has expired", "cmd/certs.go at v1.21.14 and v1.37.2; k/k#94938"),
		fact(RenewKubeconfigs, 13, 14, "no", "they are made anew by init phase kubeconfig", "phases/certs/renewal at v1.14.10"),
		fact(RenewKubeconfigs, 15, 0, "yes", "", "phases/certs/renewal/manager.go at v1.18.20 and v1.37.2"),
		fact(CgroupDriver, 13, 21, "cgroupfs", "Docker's own driver is followed", "componentconfigs/kubelet.go at v1.21.14"),
		fact(CgroupDriver, 22, 0, "systemd", "", "componentconfigs/kubelet.go at v1.22.17"),
		fact(CgroupV2, 13, 18, "no", "", "k/enhancements#2254: alpha in v1.18"),
		fact(CgroupV2, 19, 24, "early", "", "k/enhancements#2254: beta in v1.22"),
		fact(CgroupV2, 25, 0, "yes", "", "k/enhancements#2254: stable in v1.25"),
	}
}
