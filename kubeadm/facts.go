package kubeadm

// A Fact is one difference between kubeadm versions: which value holds in which
// range of releases, why that matters here, and where it was read. Paths in
// Source are below cmd/kubeadm/app of k8s.io/kubernetes unless they start
// with "pkg/".
type Fact struct {
	Name FactName
	// From is the first and To the last release for which Value holds. A zero
	// To leaves the range open. A To with Patch -1 means "every patch release
	// of that minor".
	From, To Version
	Value    string
	Why      string
	Source   string
}

// FactName names a row of the version table.
type FactName string

// The rows of the version table. Every row covers v1.13.0 and later without a
// gap; facts_test.go proves it.
const (
	PhaseOrder        FactName = "phase order"
	HiddenPhases      FactName = "phases without a subcommand"
	ConfigWritten     FactName = "config API written"
	ConfigRead        FactName = "config API read"
	ControlPlaneClock FactName = "control-plane wait is set by"
	APICallClock      FactName = "deadline of the first API call"
	KubeletClock      FactName = "kubelet health wait"
	AdminBinding      FactName = "admin binding before the control-plane wait"
	WaitsForAll       FactName = "control-plane wait reads every manifest"
	PatchesRoute      FactName = "manifest patches by"
	PatchesField      FactName = "patches in the config"
	KeyAlgorithm      FactName = "ECDSA keys by"
	ECDSAKubeconfigs  FactName = "kubeconfig keys follow the algorithm"
	StartupProbe      FactName = "startup probe"
	ReadinessProbe    FactName = "readiness probes"
	ProbePort         FactName = "probe port is"
	ClosingWords      FactName = "closing words printed by"
	ExtraArgs         FactName = "extraArgs are"
	SuperAdmin        FactName = "super-admin.conf"
	MixedConfigFlags  FactName = "flags beside --config"
	HealthEndpoint    FactName = "API server liveness path"
	KubeletCgroupV1   FactName = "kubelet on cgroup v1"
	ARM32Images       FactName = "official 32-bit ARM programs"
	SubnetSizes       FactName = "subnets' sizes are checked"

	Fairness              FactName = "API server's --enable-priority-and-fairness"
	InteroperabilityProxy FactName = "API server's UnknownVersionInteroperabilityProxy"
	EtcdBatching          FactName = "etcd's --backend-batch-interval"
	UpgradeJob            FactName = "an upgrade's test Job has"
)

// every returns the range from v1.FROM.0 to the last patch of v1.TO; a zero to
// leaves it open.
func every(from, to int) (Version, Version) {
	f := Version{Major: 1, Minor: from}
	if to == 0 {
		return f, Version{}
	}
	return f, Version{Major: 1, Minor: to, Patch: -1}
}

func fact(name FactName, from, to int, value, why, source string) Fact {
	f, t := every(from, to)
	return Fact{Name: name, From: f, To: t, Value: value, Why: why, Source: source}
}

func exact(name FactName, from, to Version, value, why, source string) Fact {
	return Fact{Name: name, From: from, To: to, Value: value, Why: why, Source: source}
}

func release(minor, patch int) Version { return Version{Major: 1, Minor: minor, Patch: patch} }

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

		fact(HiddenPhases, 13, 33, "wait-control-plane", "it can be skipped but not run alone", "cmd/phases/init/waitcontrolplane.go"),
		fact(HiddenPhases, 34, 0, "", "wait-control-plane is an ordinary phase", "cmd/phases/init/waitcontrolplane.go at v1.34.2"),

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

		fact(ControlPlaneClock, 13, 30, "apiServer.timeoutForControlPlane", "4 minutes unless set", "cmd/phases/init/waitcontrolplane.go at v1.28.15"),
		fact(ControlPlaneClock, 31, 0, "timeouts.controlPlaneComponentHealthCheck", "4 minutes unless set; it also sets the startup probe", "apis/kubeadm/v1beta4/types.go"),
		fact(APICallClock, 13, 28, "none", "most calls are made once", "util/apiclient at v1.28.15"),
		fact(APICallClock, 29, 30, "1m fixed", "the admin binding is created before everything else", "phases/kubeconfig/kubeconfig.go at v1.29.0"),
		fact(APICallClock, 31, 0, "timeouts.kubernetesAPICall", "1 minute unless set", "apis/kubeadm/timeoututils.go at v1.31.4"),
		fact(KubeletClock, 13, 30, "fixed", "40 s, then about 75 s", "util/apiclient/wait.go at v1.28.15"),
		fact(KubeletClock, 31, 0, "timeouts.kubeletHealthCheck", "4 minutes unless set", "apis/kubeadm/timeoututils.go at v1.31.4"),

		fact(AdminBinding, 13, 28, "no", "admin.conf is in system:masters", "phases/kubeconfig/kubeconfig.go at v1.28.15"),
		fact(AdminBinding, 29, 32, "no", "the wait uses a client that needs no binding", "cmd/phases/init/waitcontrolplane.go at v1.29.15 and v1.32.13"),
		exact(AdminBinding, release(33, 0), release(33, 11), "no", "the wait uses a client that needs no binding", "cmd/phases/init/waitcontrolplane.go at v1.33.11"),
		exact(AdminBinding, release(33, 12), Version{Major: 1, Minor: 33, Patch: -1}, "yes", "the one-minute call comes before the four-minute wait", "cmd/phases/init/waitcontrolplane.go at v1.33.12; k/k#138449"),
		exact(AdminBinding, release(34, 0), release(34, 7), "no", "the wait uses a client that needs no binding", "cmd/phases/init/waitcontrolplane.go at v1.34.7"),
		exact(AdminBinding, release(34, 8), Version{Major: 1, Minor: 34, Patch: -1}, "yes", "the one-minute call comes before the four-minute wait", "cmd/phases/init/waitcontrolplane.go at v1.34.8; k/k#138449"),
		exact(AdminBinding, release(35, 0), release(35, 4), "no", "the wait uses a client that needs no binding", "cmd/phases/init/waitcontrolplane.go at v1.35.4"),
		exact(AdminBinding, release(35, 5), Version{Major: 1, Minor: 35, Patch: -1}, "yes", "the one-minute call comes before the four-minute wait", "cmd/phases/init/waitcontrolplane.go at v1.35.6; v1.35.5 was not read"),
		exact(AdminBinding, release(36, 0), release(36, 0), "no", "the wait uses a client that needs no binding", "cmd/phases/init/waitcontrolplane.go at v1.36.0"),
		exact(AdminBinding, release(36, 1), Version{}, "yes", "the one-minute call comes before the four-minute wait", "cmd/phases/init/waitcontrolplane.go at v1.36.1 and v1.37.2; kubeadm#3320"),
		fact(WaitsForAll, 13, 32, "no", "only the API server's health is asked for", "cmd/phases/init/waitcontrolplane.go at v1.31.4"),
		fact(WaitsForAll, 33, 0, "yes", "a staged manifest makes the phase fail; in v1.33 by a feature gate that is on unless set", "cmd/phases/init/waitcontrolplane.go at v1.33.13 and v1.37.2"),

		fact(PatchesRoute, 13, 15, "", "manifests are edited as files", "cmd/init.go at v1.13.1"),
		fact(PatchesRoute, 16, 18, "--experimental-kustomize", "not used: manifests are edited as files", "cmd/options/constant.go at v1.16.0"),
		fact(PatchesRoute, 19, 21, "--experimental-patches", "", "cmd/options/constant.go at v1.19.16"),
		fact(PatchesRoute, 22, 0, "--patches", "", "cmd/options/constant.go at v1.22.17"),
		fact(PatchesField, 13, 21, "", "no field", "apis/kubeadm/v1beta2/types.go"),
		fact(PatchesField, 22, 0, "patches.directory", "from v1beta3; refused as a flag beside --config since 1.23", "apis/kubeadm/v1beta3/types.go"),

		fact(KeyAlgorithm, 13, 17, "", "RSA only", "phases/certs at v1.13.1"),
		fact(KeyAlgorithm, 18, 30, "featureGates.PublicKeysECDSA", "alpha gate; the field of v1beta4 is refused before v1.31", "features/features.go at v1.18.20 and v1.30.14"),
		fact(KeyAlgorithm, 31, 0, "encryptionAlgorithm", "a field of v1beta4", "apis/kubeadm/v1beta4/types.go"),
		fact(ECDSAKubeconfigs, 13, 30, "no", "kubeconfig keys stay RSA", "kubeadm#3072"),
		fact(ECDSAKubeconfigs, 31, 0, "yes", "", "phases/kubeconfig/kubeconfig.go at v1.31.4"),

		fact(StartupProbe, 13, 18, "no", "the liveness probe alone bounds the start", "util/staticpod/utils.go at v1.13.1"),
		fact(StartupProbe, 19, 0, "yes", "", "k/k#91179"),
		fact(ReadinessProbe, 13, 18, "none", "", "util/staticpod/utils.go at v1.13.1"),
		fact(ReadinessProbe, 19, 30, "kube-apiserver", "every second: one TLS handshake a second", "phases/controlplane/manifests.go at v1.28.15"),
		fact(ReadinessProbe, 31, 31, "kube-apiserver,etcd", "", "phases/etcd/local.go at v1.31.14"),
		fact(ReadinessProbe, 32, 0, "kube-apiserver,etcd,kube-scheduler", "never the controller-manager", "phases/controlplane/manifests.go at v1.32.13"),
		fact(ProbePort, 13, 33, "a number", "", "util/staticpod/utils.go at v1.33.0"),
		fact(ProbePort, 34, 0, "the name probe-port", "an integer type breaks", "phases/controlplane/manifests.go at v1.34.2"),

		fact(ClosingWords, 13, 25, "init itself", "printed even when the last phases are skipped", "cmd/init.go at v1.13.1"),
		fact(ClosingWords, 26, 0, "show-join-command", "it needs bootstrap-token and upload-certs in the same process", "cmd/phases/init/showjoincommand.go"),
		fact(ExtraArgs, 13, 30, "a map", "", "apis/kubeadm/v1beta3/types.go"),
		fact(ExtraArgs, 31, 0, "a list of name and value", "from v1beta4", "apis/kubeadm/v1beta4/types.go"),
		fact(SuperAdmin, 13, 28, "no", "admin.conf is in system:masters", "phases/kubeconfig/kubeconfig.go at v1.28.15"),
		fact(SuperAdmin, 29, 0, "yes", "admin.conf works only once RBAC is there", "phases/kubeconfig/kubeconfig.go at v1.29.0"),

		fact(MixedConfigFlags, 13, 13, "config,cri-socket,dry-run,ignore-preflight-errors,kubeconfig,node-name,print-join-command,rootfs,skip-*,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.13.1"),
		fact(MixedConfigFlags, 14, 21, "config,cri-socket,dry-run,ignore-preflight-errors,kubeconfig,kubeconfig-dir,node-name,print-join-command,rootfs,skip-*,upload-certs,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.14.10 and v1.20.15"),
		fact(MixedConfigFlags, 22, 0, "config,dry-run,ignore-preflight-errors,kubeconfig,kubeconfig-dir,node-name,print-join-command,rootfs,skip-*,upload-certs,v",
			"everything else beside --config is refused", "apis/kubeadm/validation/validation.go at v1.22.17, v1.28.15 and v1.37.2"),

		fact(HealthEndpoint, 13, 18, "/healthz", "", "phases/controlplane/manifests.go at v1.13.1"),
		fact(HealthEndpoint, 19, 0, "/livez", "and /readyz for readiness", "phases/controlplane/manifests.go at v1.28.15"),
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
		fact(EtcdBatching, 13, 18, "no", "etcd 3.2 and 3.3 do not know the flag", "constants/constants.go at v1.13.1"),
		fact(EtcdBatching, 19, 0, "yes", "etcd 3.4.13 and newer", "constants/constants.go at v1.19.16"),

		fact(UpgradeJob, 13, 17, "", "upgrade starts no Job", "phases/upgrade/health.go at v1.17.17"),
		fact(UpgradeJob, 18, 35, "15s", "fixed; the check CreateJob fails on a slower board", "phases/upgrade/health.go at v1.18.20, v1.28.15 and v1.34.4"),
		fact(UpgradeJob, 36, 0, "60s", "fixed; the check CreateJob fails on a slower board", "phases/upgrade/health.go at v1.36.3 and v1.37.2"),
	}, preflightFacts()...)
}
