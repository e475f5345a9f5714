package kubeadm

import "strings"

// What code asks of the version table, in types: a slip is an error of the compiler.

// PatchesFlag is the flag of init and upgrade, without dashes, that names a folder of
// patches; ok is false where there is none.
func (b Behaviour) PatchesFlag() (name string, ok bool) {
	name = strings.TrimPrefix(b.Value(PatchesRoute), "--")
	return name, strings.HasSuffix(name, "patches")
}

// UpgradeJobLimit is how long an upgrade's test Job may take, such as "15s"; empty where
// there is none.
func (b Behaviour) UpgradeJobLimit() string { return b.Value(UpgradeJob) }

// A KeyChoice is how kubeadm is asked for ECDSA keys.
type KeyChoice int

// The ways.
const (
	// RSAOnly: there is none.
	RSAOnly KeyChoice = iota
	// ByFeatureGate is PublicKeysECDSA; kubeconfig keys stay RSA.
	ByFeatureGate
	// ByField is encryptionAlgorithm.
	ByField
)

// KeyChoice is this version's.
func (b Behaviour) KeyChoice() KeyChoice {
	switch b.Value(KeyAlgorithm) {
	case "encryptionAlgorithm":
		return ByField
	case "featureGates." + ECDSAGate:
		return ByFeatureGate
	}
	return RSAOnly
}

// ECDSAGate is the feature gate of ByFeatureGate.
const ECDSAGate = "PublicKeysECDSA"

// KubeletHeedsStartupProbes reports whether every kubelet that this kubeadm allows acts on
// startup probes.
func (b Behaviour) KubeletHeedsStartupProbes() bool { return b.Has(KubeletStartupProbe) }

// HasARM32Images reports whether there are official images for 32-bit ARM.
func (b Behaviour) HasARM32Images() bool { return b.Has(ARM32Images) }

// ExtraArgsAreList reports whether extraArgs are a list of name and value, and not a map.
func (b Behaviour) ExtraArgsAreList() bool { return b.Value(ExtraArgs) != "a map" }

// SwapIsError reports whether preflight stops at swap.
func (b Behaviour) SwapIsError() bool { return b.Value(SwapCheck) == "error" }

// TakesDockersDriver reports whether kubeadm sets the kubelet's cgroup driver to Docker's.
func (b Behaviour) TakesDockersDriver() bool { return b.Value(DockerDriver) == "Docker's" }

// ForwardsByAddresses reports whether preflight asks for forwarding by the families of the
// cluster's addresses and subnets.
func (b Behaviour) ForwardsByAddresses() bool {
	return b.Value(ForwardingChecks) == "those of the addresses and subnets"
}

// A RuntimePolicy is how kubeadm chooses among container runtimes without a socket named.
type RuntimePolicy string

// The policies.
const (
	DockerOnly  RuntimePolicy = "Docker"
	DockerFirst RuntimePolicy = "Docker first"
	ExactlyOne  RuntimePolicy = "exactly one"
)

// RuntimePolicy is this version's.
func (b Behaviour) RuntimePolicy() RuntimePolicy { return RuntimePolicy(b.Value(RuntimeChoice)) }

// A CgroupV1Support is what the kubelet makes of cgroup v1.
type CgroupV1Support string

// The ways.
const (
	CgroupV1Works       CgroupV1Support = "yes"
	CgroupV1Maintenance CgroupV1Support = "maintenance mode"
	CgroupV1IfAsked     CgroupV1Support = "only with failCgroupV1: false"
)

// CgroupV1 is this version's.
func (b Behaviour) CgroupV1() CgroupV1Support { return CgroupV1Support(b.Value(KubeletCgroupV1)) }

// HasCgroupV2 reports whether the kubelet's support of cgroup v2 is complete.
func (b Behaviour) HasCgroupV2() bool { return b.Has(CgroupV2) }

// HasTimeouts reports whether a config API version has the timeouts section, and with it
// the fields that came at the same time.
func HasTimeouts(api string) bool {
	return api != "" && !strings.HasPrefix(api, "v1beta") || api == "v1beta4"
}

// TimeoutsOf are the fields of timeouts that a command of kubeadm's reads, in the kind of
// document that is its own: InitConfiguration, JoinConfiguration, UpgradeConfiguration
// (read at v1.36.3 and v1.37.2: all uses of GetActiveTimeouts and of .Timeouts).
func TimeoutsOf(v Verb) []string {
	if v.Upgrades() {
		return []string{"controlPlaneComponentHealthCheck", "kubernetesAPICall", "etcdAPICall", "upgradeManifests"}
	}
	return map[Verb][]string{
		Init: {"controlPlaneComponentHealthCheck", "kubernetesAPICall", "kubeletHealthCheck"},
	}[v]
}

// IsExperimental reports whether a config API version is one that kubeadm reads and may
// still change.
func IsExperimental(api string) bool { return api == "v1" }
