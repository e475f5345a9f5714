package doctor

import (
	"cmp"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Facts are what findings are made from.
type Facts struct {
	Board hwdetect.Board
	Host  host.Host
	// CPUs is how many this process may use, as kubeadm counts them.
	CPUs int
	// Kubeadm are the facts about the kubeadm that will run; Known is false
	// when there is none or it did not report its version. Then findings that
	// hang on a version assume the newest one known.
	Kubeadm kubeadm.Behaviour
	Known   bool
	// Kubelet is its version, zero when not asked for.
	Kubelet kubeadm.Version
	// RuntimeVersion is what the container runtime calls itself, such as
	// "1.6.20"; empty when not asked for.
	RuntimeVersion string
	// Images are those that the runtime has; ImagesKnown is false when it was
	// not asked.
	Images      []string
	ImagesKnown bool
	// Holders names who listens on a port.
	Holders map[int]string
	Ask     Ask
	// Join is set for a board that is to join a cluster, nil for one that is to have its own.
	Join *Join
	// Storage is what is wrong with the disk of kubeadm-arm storage.
	Storage []StorageProblem
	// Under is the folder that a stopped system was looked at below, such as a
	// mounted card's; empty for a running one, whose own paths are printed.
	Under string
	// Root reports whether the facts were read with root's rights.
	Root bool
	// Journal reports whether a run of kubeadm-arm was interrupted here, and
	// Resuming that this is about going on with it: what that run made is no
	// finding then.
	Journal, Resuming bool
	// Flags are those that doctor was called with, each after a blank and
	// quoted for the shell: whoever repeats it has to give them again.
	Flags string
}

// Ask is what the owner wants, from flags and configuration.
type Ask struct {
	APIPort           int
	NodeName          string
	AdvertiseAddress  string
	EtcdFolder        string
	ExternalEtcd      bool
	EtcdArchSet       bool
	CRISocket         string
	ImageRepository   string
	KubernetesVersion string
	// PodSubnet and ServiceSubnet are as given, ConfigFile is --config.
	PodSubnet, ServiceSubnet, ConfigFile string
	// Ignore is --ignore-preflight-errors.
	Ignore []string
	// FailSwapOn, FailCgroupV1, CgroupDriver and ResolvConf are the kubelet's
	// settings, empty unless set.
	FailSwapOn, FailCgroupV1, CgroupDriver, ResolvConf string
	// Flags are kubeadm's own.
	Flags kubeadm.Args
	// Unknown are the fields of ConfigFile that kubeadm does not have.
	Unknown []kubeadm.UnknownField
}

// checks is everything that is looked at: the configuration that was given, then in
// the order in which a board comes up: hardware, kernel, system, network, runtime, Kubernetes.
func checks() []func(Facts) []Finding {
	return []func(Facts) []Finding{
		flagValues, configFields,
		programs, cpus, memory, power,
		kernelRelease, kernelFeatures, pageSize, memoryCgroup, cgroupVersion,
		swap, clock, certificates, brokenCertificates, storageSet, freshDisk, volumes, space,
		hostname, hostnameResolves, copies,
		kernelSettings, ownAddress, defaultRoute, nameServers, ports,
		runtimeAnswers, containerdConfig, runtimeVersion, runtimeConfig, cgroupDriver, sandboxImage, cniPlugins,
		neededPrograms, kubeletUnit, kubeletFlags, kubeletVersion, images, etcdArch, staticPods, leftovers,
	}
}

// Diagnose makes findings from facts, the worst first, each severity in the order of
// the checks. It is a pure function.
func Diagnose(f Facts) Report {
	r := Report{Schema: Schema, Verdict: OK, Stopped: f.Host.Stopped, Board: f.Board.Model, Runtime: f.RuntimeVersion,
		Findings: []Finding{}}
	if f.Known {
		r.Kubeadm = f.Kubeadm.Version.String()
	} else if newest, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: kubeadm.NewestMinor}); err == nil {
		f.Kubeadm = newest
	}
	if f.Kubelet != (kubeadm.Version{}) {
		r.Kubelet = f.Kubelet.String()
	}
	all := checks()
	if f.Join != nil {
		all, r.Command = f.Join.checks(), kubeadm.Join
	}
	for _, check := range all {
		r.Findings = append(r.Findings, check(f)...)
	}
	for i := range r.Findings {
		found := &r.Findings[i]
		if f.Join != nil {
			f.Join.ofJoin(found)
		}
		if f.Host.Stopped {
			found.Fix = f.atRest(found.Fix)
		}
		if len(found.Edits) > 0 {
			found.Fix = append([]string{f.fixLine(*found)}, found.Fix...)
		}
		if found.Rule == "" && found.Severity.Worse(OK) {
			switch {
			case len(found.Checks) == 0:
				found.Rule = OwnRule
			case slices.Contains(found.Checks, found.ID):
				found.Rule = KubeletRule // ignoring kubeadm's checks is not enough
			default:
				found.Rule = PreflightRule
			}
		}
		if found.Severity == Fail && found.ignoredBy(f.Ask.Ignore) {
			found.Severity, found.Ignored = Warning, true
		}
		if found.Severity == Fail && f.clusterHere() && !slices.Contains(found.IgnoreNames(), found.ID) {
			// Only kubeadm's preflight stops at it, and that is past.
			found.Severity = Info
		}
		if found.Severity.rank() > r.Verdict.rank() {
			r.Verdict = found.Severity
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity.rank(), a.Severity.rank()) })
	r.Unknown = unknown(f)
	return r
}

// unknown lists what could not be found out, so that silence is not taken for health.
func unknown(f Facts) []string {
	all := append([]string{}, f.Board.Unknown...)
	if f.Host.Stopped {
		all = []string{"what only a running system shows: CPU, memory, clock, routes, ports, sockets"}
		f.Host.Cgroups.Known, f.Host.Network.Known = true, true
	}
	for _, x := range []struct {
		name    string
		missing bool
	}{
		{"cgroup controllers", !f.Host.Cgroups.Known},
		{"the kernel's configuration", f.Host.Kernel.ConfigFrom == ""},
		{"loadable kernel modules", !f.Host.Kernel.ModulesKnown},
		{"routes", !f.Host.Network.Known},
		{"the kubeadm version (findings are for the newest known)", !f.Known},
		{"who holds ports, and sockets of others (not root)", !f.Root},
	} {
		if x.missing {
			all = append(all, x.name)
		}
	}
	return all
}

func one(f Finding) []Finding { return []Finding{f} }

func fine(id, seen string) []Finding { return one(Finding{ID: id, Severity: OK, Seen: seen}) }
