package kubeadm

// The rows of the version table that no code asks for: why kubeadm-arm does what it
// does, for docs/versions.md and for whoever changes it.
const (
	HiddenPhases        FactName = "phases without a subcommand"
	ControlPlaneTimeout FactName = "control-plane wait is set by"
	APICallTimeout      FactName = "deadline of the first API call"
	KubeletTimeout      FactName = "kubelet health wait"
	AdminBinding        FactName = "admin binding before the control-plane wait"
	WaitsForAll         FactName = "control-plane wait reads every manifest"
	PatchesField        FactName = "patches in the config"
	ECDSAKubeconfigs    FactName = "kubeconfig keys follow the algorithm"
	StartupProbe        FactName = "startup probe"
	ReadinessProbe      FactName = "readiness probes"
	ProbePort           FactName = "probe port is"
	ClosingWords        FactName = "closing words printed by"
	SuperAdmin          FactName = "super-admin.conf"
	HealthEndpoint      FactName = "API server liveness path"
)

// backgroundFacts are those rows.
func backgroundFacts() []Fact {
	return []Fact{
		fact(HiddenPhases, 13, 33, "wait-control-plane", "it can be skipped but not run alone", "cmd/phases/init/waitcontrolplane.go"),
		fact(HiddenPhases, 34, 0, "", "wait-control-plane is an ordinary phase", "cmd/phases/init/waitcontrolplane.go at v1.34.2"),
		fact(ControlPlaneTimeout, 13, 30, "apiServer.timeoutForControlPlane", "4 minutes unless set", "cmd/phases/init/waitcontrolplane.go at v1.28.15"),
		fact(ControlPlaneTimeout, 31, 0, "timeouts.controlPlaneComponentHealthCheck", "4 minutes unless set; it also sets the startup probe", "apis/kubeadm/v1beta4/types.go"),
		fact(APICallTimeout, 13, 28, "none", "most calls are made once", "util/apiclient at v1.28.15"),
		fact(APICallTimeout, 29, 30, "1m fixed", "the admin binding is created before everything else", "phases/kubeconfig/kubeconfig.go at v1.29.0"),
		fact(APICallTimeout, 31, 0, "timeouts.kubernetesAPICall", "1 minute unless set", "apis/kubeadm/timeoututils.go at v1.31.4"),
		fact(KubeletTimeout, 13, 30, "fixed", "40 s, then about 75 s", "util/apiclient/wait.go at v1.28.15"),
		fact(KubeletTimeout, 31, 0, "timeouts.kubeletHealthCheck", "4 minutes unless set", "apis/kubeadm/timeoututils.go at v1.31.4"),
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
		fact(PatchesField, 13, 21, "", "no field", "apis/kubeadm/v1beta2/types.go"),
		fact(PatchesField, 22, 0, "patches.directory", "from v1beta3; refused as a flag beside --config since 1.23", "apis/kubeadm/v1beta3/types.go"),
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
		fact(SuperAdmin, 13, 28, "no", "admin.conf is in system:masters", "phases/kubeconfig/kubeconfig.go at v1.28.15"),
		fact(SuperAdmin, 29, 0, "yes", "admin.conf works only once RBAC is there", "phases/kubeconfig/kubeconfig.go at v1.29.0"),
		fact(HealthEndpoint, 13, 18, "/healthz", "", "phases/controlplane/manifests.go at v1.13.1"),
		fact(HealthEndpoint, 19, 0, "/livez", "and /readyz for readiness", "phases/controlplane/manifests.go at v1.28.15"),
	}
}
