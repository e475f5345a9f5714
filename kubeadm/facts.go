package kubeadm

// A Fact is one difference between kubeadm versions: which value holds in which
// range of releases, why that matters here, and where it was read. Paths in
// Source are below cmd/kubeadm/app of k8s.io/kubernetes unless they start
// with "pkg/".
type Fact struct {
	Name FactName
	// From is the first and To the last minor version of v1 for which Value holds. A zero
	// To leaves the range open.
	From, To int
	Value    string
	Why      string
	Source   string
}

// FactName names a row of the version table.
type FactName string

// The rows of the version table. Every row covers v1.13.0 and later without a
// gap; facts_test.go proves it.
const (
	PhaseOrder       FactName = "phase order"
	ConfigWritten    FactName = "config API written"
	ConfigRead       FactName = "config API read"
	PatchesRoute     FactName = "manifest patches by"
	KeyAlgorithm     FactName = "ECDSA keys by"
	ExtraArgs        FactName = "extraArgs are"
	MixedConfigFlags FactName = "flags beside --config"
	KubeletCgroupV1  FactName = "kubelet on cgroup v1"
	ARM32Images      FactName = "official 32-bit ARM programs"
	SubnetSizes      FactName = "subnets' sizes are checked"

	Fairness              FactName = "API server's --enable-priority-and-fairness"
	InteroperabilityProxy FactName = "API server's UnknownVersionInteroperabilityProxy"
	KubeletStartupProbe   FactName = "every allowed kubelet heeds startup probes"
	EtcdBatching          FactName = "etcd's --backend-batch-interval"
	UpgradeJob            FactName = "an upgrade's test Job has"
	UpgradePhaseOrder     FactName = "phases of upgrade apply"
	NodePhaseOrder        FactName = "phases of upgrade node"
	JoinPhaseOrder        FactName = "phases of join"
	ControlPlaneJoin      FactName = "another control plane joins by a plan"
	BootstrapWait         FactName = "join's last phase only waits"
	UpgradeConfig         FactName = "upgrades read UpgradeConfiguration"
)

func fact(name FactName, from, to int, value, why, source string) Fact {
	return Fact{Name: name, From: from, To: to, Value: value, Why: why, Source: source}
}

// OldestMinor and NewestMinor bound the table: older kubeadms are refused,
// newer ones are treated as NewestMinor with a warning.
const (
	OldestMinor = 13
	NewestMinor = 37
)

// Facts returns the version table. It is a function so that nobody can change
// the table at run time.
func Facts() []Fact {
	return append([]Fact{
		fact(PhaseOrder, 13, 13, "preflight,kubelet-start,certs,kubeconfig,control-plane,etcd,wait-control-plane,upload-config,mark-control-plane,bootstrap-token,addon",
			"the kubelet starts before there is a manifest; etcd comes after the control plane", "cmd/init.go at v1.13.1"),
		fact(PhaseOrder, 14, 16, "preflight,kubelet-start,certs,kubeconfig,control-plane,etcd,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,addon",
			"upload-certs is new", "cmd/init.go at v1.14.10 and v1.16.15"),
		fact(PhaseOrder, 17, 18, "preflight,kubelet-start,certs,kubeconfig,control-plane,etcd,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon",
			"kubelet-finalize is new", "cmd/init.go at v1.17.17 and v1.18.20"),
		fact(PhaseOrder, 19, 25, "preflight,certs,kubeconfig,kubelet-start,control-plane,etcd,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon",
			"kubelet-start follows kubeconfig", "cmd/init.go at v1.19.16 and v1.25.16; k/k#90892"),
		fact(PhaseOrder, 26, 27, "preflight,certs,kubeconfig,kubelet-start,control-plane,etcd,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command",
			"show-join-command is new", "cmd/init.go at v1.26.15"),
		fact(PhaseOrder, 28, 0, "preflight,certs,kubeconfig,etcd,control-plane,kubelet-start,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command",
			"the kubelet starts after every manifest is written", "cmd/init.go at v1.28.15 and v1.37.2; k/k#117984"),

		fact(ConfigWritten, 13, 14, "v1beta1", "the newest it accepts", "apis/kubeadm/scheme at v1.13.1"),
		fact(ConfigWritten, 15, 21, "v1beta2", "the newest it accepts", "apis/kubeadm/scheme at v1.19.16"),
		fact(ConfigWritten, 22, 30, "v1beta3", "the newest it accepts; v1beta4 is refused in v1.28", "apis/kubeadm/scheme at v1.28.15"),
		fact(ConfigWritten, 31, 0, "v1beta4", "v1 is experimental in v1.37 and never written", "apis/kubeadm/scheme at v1.31.4 and v1.37.2"),
		fact(ConfigRead, 13, 14, "v1beta1,v1alpha3", "v1alpha3 is read by kubeadm config migrate only", "apis/kubeadm/scheme at v1.13.1"),
		fact(ConfigRead, 15, 21, "v1beta1,v1beta2", "", "apis/kubeadm/scheme at v1.19.16"),
		fact(ConfigRead, 22, 26, "v1beta2,v1beta3", "", "apis/kubeadm/scheme at v1.22.17"),
		fact(ConfigRead, 27, 30, "v1beta3", "", "apis/kubeadm/scheme at v1.28.15"),
		fact(ConfigRead, 31, 36, "v1beta3,v1beta4", "", "apis/kubeadm/scheme at v1.31.4"),
		fact(ConfigRead, 37, 0, "v1beta4,v1", "v1beta3 is gone, v1 is experimental", "apis/kubeadm/scheme at v1.37.2"),

		fact(PatchesRoute, 13, 15, "", "manifests are edited as files", "cmd/init.go at v1.13.1"),
		fact(PatchesRoute, 16, 18, "--experimental-kustomize", "not used: manifests are edited as files", "cmd/options/constant.go at v1.16.0"),
		fact(PatchesRoute, 19, 21, "--experimental-patches", "", "cmd/options/constant.go at v1.19.16"),
		fact(PatchesRoute, 22, 0, "--patches", "", "cmd/options/constant.go at v1.22.17"),

		fact(KeyAlgorithm, 13, 17, "", "RSA only", "phases/certs at v1.13.1"),
		fact(KeyAlgorithm, 18, 30, "featureGates.PublicKeysECDSA", "alpha gate; the field of v1beta4 is refused before v1.31", "features/features.go at v1.18.20 and v1.30.14"),
		fact(KeyAlgorithm, 31, 0, "encryptionAlgorithm", "a field of v1beta4", "apis/kubeadm/v1beta4/types.go"),

		fact(ExtraArgs, 13, 30, "a map", "", "apis/kubeadm/v1beta3/types.go"),
		fact(ExtraArgs, 31, 0, "a list of name and value", "from v1beta4", "apis/kubeadm/v1beta4/types.go"),

		fact(MixedConfigFlags, 13, 13, "config,cri-socket,dry-run,ignore-preflight-errors,kubeconfig,node-name,print-join-command,rootfs,skip-*,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.13.1"),
		fact(MixedConfigFlags, 14, 21, "config,cri-socket,dry-run,ignore-preflight-errors,kubeconfig,kubeconfig-dir,node-name,print-join-command,rootfs,skip-*,upload-certs,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.14.10 and v1.20.15"),
		fact(MixedConfigFlags, 22, 0, "config,dry-run,ignore-preflight-errors,kubeconfig,kubeconfig-dir,node-name,print-join-command,rootfs,skip-*,upload-certs,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.22.17, v1.28.15 and v1.37.2"),

		fact(KubeletCgroupV1, 13, 30, "yes", "", "pkg/kubelet"),
		fact(KubeletCgroupV1, 31, 34, "maintenance mode", "it still starts", "pkg/kubelet/apis/config at v1.31.4"),
		fact(KubeletCgroupV1, 35, 0, "only with failCgroupV1: false", "the kubelet refuses to start otherwise", "pkg/kubelet/apis/config at v1.35.0"),
		fact(ARM32Images, 13, 26, "yes", "GOARM=7", "k/k#115742"),
		fact(ARM32Images, 27, 0, "no", "build your own", "k/k#115742"),
		fact(SubnetSizes, 13, 20, "no", "but for ten addresses at least; part of it came with v1.19 or v1.20", "apis/kubeadm/validation at v1.18.20"),
		fact(SubnetSizes, 21, 0, "yes", "services may have 20 bits; pods' network has to hold 1 to 65536 nodes' ones", "apis/kubeadm/validation at v1.21.14 and v1.37.2"),

		fact(Fairness, 13, 19, "no", "the flag came with the alpha gate in v1.18 and works without it from v1.20 on", "pkg/features"),
		fact(Fairness, 20, 0, "yes", "beta and on, so there is something to switch off", "k8s.io/apiserver/pkg/server/options"),
		fact(InteroperabilityProxy, 13, 35, "no", "alpha and off", "k8s.io/apiserver/pkg/features"),
		fact(InteroperabilityProxy, 36, 0, "yes", "beta and on", "k8s.io/apiserver/pkg/features at v0.37.2"),
		fact(KubeletStartupProbe, 13, 17, "no", "alpha and off; kubeadm writes them from v1.19 on", "pkg/features/kube_features.go at v1.17.17"),
		fact(KubeletStartupProbe, 18, 0, "yes", "beta and on", "pkg/features/kube_features.go at v1.18.20"),
		fact(EtcdBatching, 13, 18, "no", "etcd 3.2 and 3.3 do not know the flag", "constants/constants.go at v1.13.1"),
		fact(EtcdBatching, 19, 0, "yes", "etcd 3.4.13 and newer", "constants/constants.go at v1.19.16"),

		fact(UpgradeJob, 13, 17, "", "upgrade starts no Job", "phases/upgrade/health.go at v1.17.17"),
		fact(UpgradeJob, 18, 35, "15s", "fixed; the check CreateJob fails on a slower board", "phases/upgrade/health.go at v1.18.20, v1.28.15 and v1.34.4"),
		fact(UpgradeJob, 36, 0, "60s", "fixed; the check CreateJob fails on a slower board", "phases/upgrade/health.go at v1.36.3 and v1.37.2"),

		fact(JoinPhaseOrder, 13, 13, "", "join is one piece", "cmd/join.go at v1.13.1"),
		fact(JoinPhaseOrder, 14, 28, "preflight,control-plane-prepare,check-etcd,kubelet-start,control-plane-join/etcd,control-plane-join/mark-control-plane",
			"kubelet-start waits for the bootstrap", "cmd/join.go at v1.28.15"),
		fact(JoinPhaseOrder, 29, 30, "preflight,control-plane-prepare,check-etcd,kubelet-start,control-plane-join/etcd,control-plane-join/mark-control-plane,wait-control-plane",
			"kubelet-start waits for the bootstrap", "cmd/join.go at v1.30.14"),
		fact(JoinPhaseOrder, 31, 32, "preflight,control-plane-prepare,check-etcd,kubelet-start,etcd-join,kubelet-wait-bootstrap,control-plane-join/etcd,control-plane-join/mark-control-plane,wait-control-plane",
			"which of the two joins etcd depends on ControlPlaneKubeletLocalMode", "cmd/join.go at v1.31.4"),
		fact(JoinPhaseOrder, 33, 0, "preflight,control-plane-prepare,check-etcd,kubelet-start,etcd-join,kubelet-wait-bootstrap,control-plane-join/mark-control-plane,wait-control-plane",
			"control-plane-join/etcd does nothing, and is gone by v1.36", "cmd/join.go at v1.34.4, v1.36.3 and v1.37.2"),
		fact(ControlPlaneJoin, 13, 21, "passed on to kubeadm", "its phases in these versions were not read", "cmd/join.go at v1.22.17"),
		fact(ControlPlaneJoin, 22, 0, "yes", "phases that can be taken apart, and a certificate key in the configuration", "cmd/join.go at v1.22.17, v1.28.15 and v1.37.2"),
		fact(BootstrapWait, 13, 33, "no", "it also writes the runtime's socket to the Node; up to v1.32 kubelet-start waits", "cmd/phases/join/kubelet.go at v1.30.14, v1.32.0"),
		fact(BootstrapWait, 34, 0, "yes", "kubelet-wait-bootstrap does nothing else on a worker, by NodeLocalCRISocket", "cmd/phases/join/kubelet.go and features/features.go at v1.34.4, v1.36.3 and v1.37.2"),
		fact(UpgradePhaseOrder, 13, 31, "", "it cannot be taken apart; equal manifests are left alone all the same", "cmd/upgrade/apply.go at v1.31.4"),
		fact(UpgradePhaseOrder, 32, 0, "preflight,control-plane,upload-config,kubeconfig,kubelet-config,bootstrap-token,addon,post-upgrade",
			"preflight first, our own control plane, then the rest", "cmd/upgrade/apply.go at v1.32.0 and v1.37.2"),
		fact(NodePhaseOrder, 13, 21, "", "passed on to kubeadm: its phases in these versions were not read", "cmd/upgrade/node.go at v1.22.17"),
		fact(NodePhaseOrder, 22, 30, "preflight,control-plane,kubelet-config", "", "cmd/upgrade/node.go at v1.22.17 and v1.30.14"),
		fact(NodePhaseOrder, 31, 31, "preflight,control-plane,kubeconfig,kubelet-config", "kubeconfig is new", "cmd/upgrade/node.go at v1.31.4"),
		fact(NodePhaseOrder, 32, 0, "preflight,control-plane,kubeconfig,kubelet-config,addon,post-upgrade",
			"the last control plane upgrades the addons", "cmd/upgrade/node.go at v1.32.0 to v1.37.2"),
		fact(UpgradeConfig, 13, 30, "no", "each component has five minutes; v1.30 knows the kind, in an API that it refuses", "cmd/upgrade/common.go at v1.30.14"),
		fact(UpgradeConfig, 31, 0, "yes", "timeouts.upgradeManifests counts there alone", "cmd/upgrade/common.go at v1.31.4 and v1.37.2"),
	}, preflightFacts()...)
}
