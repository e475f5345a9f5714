package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Short names of the version table's rows.
const (
	memoryCheck = kubeadm.MemoryCheck
	systemCheck = "SystemVerification"
)

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func kernelRelease(f Facts) []Finding {
	release := f.Board.Kernel.Release
	patterns := strings.Fields(f.Kubeadm.Value(kubeadm.KernelReleases))
	if release == "" || len(patterns) == 0 {
		return nil
	}
	accepted := func(release string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			re, err := regexp.Compile(p)
			return err == nil && re.MatchString(release)
		})
	}
	if accepted(release) {
		return fine("kernel", "Linux "+release)
	}
	ignore := "kubeadm-arm init --ignore-preflight-errors=" + f.ignoring(systemCheck)
	if tooNew(release, accepted) {
		return one(Finding{
			ID: "kernel", Severity: Fail, Checks: []string{systemCheck},
			Seen: "Linux " + release + " is newer than what kubeadm " + f.version() + " knows",
			Means: fmt.Sprintf("its preflight accepts Linux %s, and refuses newer ones because they did not exist then",
				f.why(kubeadm.KernelReleases)),
			Fix: []string{ignore + "    # or take a newer kubeadm"},
		})
	}
	return one(Finding{
		ID: "kernel", Severity: Fail, Seen: "Linux " + release, Checks: []string{systemCheck},
		Means: fmt.Sprintf("kubeadm %s wants %s", f.version(), f.why(kubeadm.KernelReleases)),
		Fix: []string{"# install a newer kernel from your distribution (Armbian: armbian-config, Raspberry Pi OS: apt " +
			"full-upgrade), or continue at your own risk:", ignore},
	})
}

// tooNew reports whether a kernel that is not accepted is past the last one that is: no
// later major version fits either.
func tooNew(release string, accepted func(string) bool) bool {
	major, _, _ := strings.Cut(release, ".")
	n, err := strconv.Atoi(major)
	for later := n + 1; later <= 9; later++ {
		if accepted(fmt.Sprintf("%d.10.0", later)) {
			return false
		}
	}
	return err == nil
}

// version is how kubeadm is called in a sentence.
func (f Facts) version() string {
	if !f.Known {
		return "v1." + strconv.Itoa(kubeadm.NewestMinor)
	}
	return f.Kubeadm.Version.String()
}

// why is the reason that the version table gives for a fact.
func (f Facts) why(name kubeadm.FactName) string {
	for _, fact := range kubeadm.Facts() {
		if fact.Name == name && fact.Value == f.Kubeadm.Value(name) && fact.Why != "" {
			return fact.Why
		}
	}
	return "another one"
}

// feature is something that a kernel may lack.
type feature struct {
	options []string // any of them will do
	module  string
	// certain is set for what no container runs without.
	certain bool
	need    string
}

// features are the options that every kubeadm's system verification asks for
// (k8s.io/system-validators, KernelSpec.Required), and what containerd,
// kube-proxy and pod networks use.
func features() []feature {
	return []feature{
		{options: []string{"NAMESPACES"}, certain: true, need: "containers"},
		{options: []string{"NET_NS"}, certain: true, need: "containers"},
		{options: []string{"PID_NS"}, certain: true, need: "containers"},
		{options: []string{"IPC_NS"}, certain: true, need: "containers"},
		{options: []string{"UTS_NS"}, certain: true, need: "containers"},
		{options: []string{"CGROUPS"}, certain: true, need: "containers"},
		{options: []string{"CPUSETS"}, certain: true, need: "the kubelet"},
		{options: []string{"MEMCG"}, certain: true, need: "the kubelet"},
		{options: []string{"OVERLAY_FS"}, module: "overlay", need: "containerd's overlayfs snapshotter"},
		{options: []string{"VETH"}, module: "veth", need: "pods with a network of their own"},
		{options: []string{"BRIDGE_NETFILTER"}, module: "br_netfilter", need: "pod networks with a bridge, such as flannel"},
		{options: []string{"NF_CONNTRACK"}, module: "nf_conntrack", need: "kube-proxy"},
		{options: []string{"NF_NAT"}, module: "nf_nat", need: "kube-proxy"},
		{options: []string{"NETFILTER_XT_MATCH_COMMENT"}, need: "kube-proxy"},
		{options: []string{"NETFILTER_XT_MATCH_STATISTIC"}, need: "kube-proxy's balancing"},
		{options: []string{"NETFILTER_XT_TARGET_REDIRECT", "IP_NF_TARGET_REDIRECT"}, need: "kube-proxy"},
		{options: []string{"VXLAN"}, module: "vxlan", need: "flannel's and Calico's VXLAN networks"},
		{options: []string{"CFS_BANDWIDTH"}, need: "CPU limits of pods"},
		{options: []string{"SECCOMP"}, need: "pods with a seccomp profile"},
	}
}

func kernelFeatures(f Facts) []Finding {
	k := f.Host.Kernel
	var missing, wanted, absent []string
	for _, x := range features() {
		if x.options[0] == "CPUSETS" && f.Host.Cgroups.Version == 2 {
			continue // cgroup-controllers tells, and what it means
		}
		lacks := k.Lacks(x.options...)
		if k.ConfigFrom == "" && x.module != "" {
			lacks = k.LacksModule(x.module) && !k.Replaced
		}
		if !lacks {
			if f.lacksFile(x) {
				absent = append(absent, fmt.Sprintf("%s (%s)", x.module, x.need))
			}
			continue
		}
		if x.certain {
			missing = append(missing, "CONFIG_"+x.options[0])
		} else {
			wanted = append(wanted, fmt.Sprintf("CONFIG_%s (%s)", x.options[0], x.need))
		}
	}
	// kube-proxy and pod networks get by with either.
	tables := feature{module: "nf_tables", options: []string{"NF_TABLES"}}
	legacy := feature{module: "ip_tables", options: []string{"IP_NF_IPTABLES", "IP_NF_IPTABLES_LEGACY"}}
	if f.lacksFile(tables) && f.lacksFile(legacy) {
		absent = append(absent, "nf_tables or ip_tables (kube-proxy and every pod network)")
	}
	if k.ConfigFrom != "" && k.Lacks("NF_TABLES") && k.Lacks("IP_NF_IPTABLES", "IP_NF_IPTABLES_LEGACY") ||
		k.ConfigFrom == "" && k.LacksModule("nf_tables") && k.LacksModule("ip_tables") {
		wanted = append(wanted, "CONFIG_NF_TABLES or CONFIG_IP_NF_IPTABLES (kube-proxy and every pod network)")
	}
	all := f.absentModules(absent)
	if len(missing) > 0 {
		all = append(all, Finding{
			ID: "kernel-features", Severity: Fail,
			Seen: "the kernel lacks " + strings.Join(missing, ", ") + " (" + k.ConfigFrom + ")", Checks: []string{systemCheck},
			Means: "no container can run on it", Fix: anotherKernel(),
		})
	}
	if len(wanted) > 0 {
		all = append(all, Finding{
			ID: "kernel-options", Severity: Warning, Seen: "the kernel lacks " + strings.Join(wanted, ", "),
			Means: "the control plane may start; what is named in brackets will not work", Fix: anotherKernel(),
		})
	}
	if len(all) == 0 && (k.ConfigFrom != "" || k.ModulesKnown) {
		return fine("kernel-features", "namespaces, cgroups, overlay, netfilter, vxlan, veth")
	}
	return all
}

func anotherKernel() []string {
	return []string{"# another kernel is needed: your distribution's current one (Armbian: armbian-config, Debian: apt " +
		"install linux-image-armmp)"}
}

// lacksFile reports whether a feature is a module (=m) whose file is not there. Where
// the configuration is not known, an upgrade that took the modules away tells.
func (f Facts) lacksFile(x feature) bool {
	k := f.Host.Kernel
	if x.module == "" || k.Modules[x.module] || k.ConfigFrom == "" && !(k.Replaced && k.Modular) {
		return false
	}
	for _, o := range x.options {
		if k.Config[o] == "y" {
			return false
		}
	}
	return k.ModulesKnown || k.Replaced
}

// absentModules is the finding of modules that the kernel was built with and that
// are not on the disk.
func (f Facts) absentModules(list []string) []Finding {
	k := f.Host.Kernel
	if len(list) == 0 {
		return nil
	}
	found := Finding{
		ID: "kernel-modules", Severity: Warning,
		Seen:  "modules that this kernel was built with are missing: " + strings.Join(list, ", "),
		Means: "it cannot be loaded, so what is named in brackets will not work",
		Fix:   []string{"sudo apt install --reinstall linux-image-" + k.Release + "    # or what brought this kernel"},
	}
	switch {
	case k.Replaced:
		found.Seen = fmt.Sprintf("the modules of the running kernel, %s, are gone; there are those of %s. Not loaded: %s",
			k.Release, strings.Join(k.Installed, ", "), strings.Join(list, ", "))
		found.Means = "the kernel was upgraded since the board's start: until the restart nothing more can be loaded"
		found.Fix = []string{"sudo reboot"}
	case strings.HasSuffix(k.Release, "-raspi"):
		found.Fix = []string{"sudo apt install linux-modules-extra-raspi    # Ubuntu keeps them in a package of their own"}
	case ubuntuKernel.MatchString(k.Release):
		found.Fix = []string{"sudo apt install linux-modules-extra-" + k.Release + "    # Ubuntu keeps them in a package " +
			"of their own"}
	}
	return one(found)
}

// ubuntuKernel matches Ubuntu's releases, such as 6.8.0-45-generic.
var ubuntuKernel = regexp.MustCompile(`^\d+\.\d+\.0-\d+-[a-z]`)

// pageSize names kernels with pages larger than the 4 KiB that programs for ARM are
// mostly built for.
func pageSize(f Facts) []Finding {
	size := f.Host.Kernel.PageSize
	if size <= 4<<10 {
		return nil
	}
	found := Finding{
		ID: "page-size", Severity: Info, Seen: fmt.Sprintf("the kernel has pages of %d KiB", size>>10),
		Means: "Kubernetes runs on it. Images whose programs were built for 4 KiB stop at once, such as those with " +
			"jemalloc (\"Unsupported system page size\": Redis, MongoDB and others) and many of 32-bit ARM",
		Fix: []string{"# another kernel is needed for those; with 4 KiB it is usually the one without -16k or -64k in " +
			"its name"},
	}
	if strings.Contains(f.Host.Kernel.Release, "2712") {
		found.Fix = []string{"# in config.txt on the boot partition, below [all], if those are wanted: kernel=kernel8.img"}
	}
	return one(found)
}

func memoryCgroup(f Facts) []Finding {
	c := f.Host.Cgroups
	if f.Host.Stopped {
		return f.memoryCgroupAtStart()
	}
	if !c.Known {
		return nil
	}
	var missing []string
	for _, name := range strings.Split(f.Kubeadm.Value(kubeadm.NeededCgroups), ",") {
		if name != "memory" && !c.Has(name) {
			missing = append(missing, name)
		}
	}
	var all []Finding
	// Of cgroup v2's controllers the kubelet takes what there is
	// (pkg/kubelet/cm/cgroup_v2_manager_linux.go).
	if c.Version == 2 && slices.Equal(missing, []string{"cpuset"}) {
		all = append(all, Finding{
			ID: "cgroup-controllers", Severity: Fail, Seen: "the kernel has no cpusets", Checks: []string{systemCheck},
			Means: "kubeadm's own check wants them; kernels for one core, such as a Raspberry Pi 1's, have none, and the " +
				"kubelet does without",
			Fix: []string{"kubeadm-arm init --ignore-preflight-errors=SystemVerification"},
		})
	} else if len(missing) > 0 {
		all = append(all, Finding{
			ID: "cgroup-controllers", Severity: Fail, Seen: "cgroup controllers are missing: " + strings.Join(missing, ", "),
			Checks: []string{"cgroup-controllers", systemCheck},
			Means:  "the kubelet does not start without them",
			Fix: []string{"cat /proc/cgroups /sys/fs/cgroup/cgroup.controllers    # is one switched off by cgroup_disable= " +
				"in /proc/cmdline?"},
		})
	}
	if !c.Has("memory") {
		all = append(all, f.memoryCgroupOff())
	}
	if len(all) == 0 {
		return fine("memory-cgroup", "cgroup controllers: "+strings.Join(c.Controllers, ", "))
	}
	return all
}

func cgroupVersion(f Facts) []Finding {
	if f.Host.Stopped {
		if f.Host.Cgroups.Version = f.cgroupVersionAtStart(); f.Host.Cgroups.Version == 0 {
			return nil
		}
	}
	switch f.Host.Cgroups.Version {
	case 0:
		if !f.Host.Cgroups.Known {
			return nil
		}
		return one(Finding{
			ID: "cgroup-version", Severity: Fail, Seen: "no cgroup file system is mounted", Checks: []string{systemCheck},
			Means: "neither the kubelet nor a container can run",
			Fix: []string{"sudo mount -t cgroup2 none /sys/fs/cgroup    # systemd does it; on other systems: apt install " +
				"cgroupfs-mount"},
		})
	case 2:
		if !f.kubeletFacts().HasCgroupV2() {
			return one(f.withBoot(Finding{
				ID: "cgroup-version", Severity: Warning, Seen: "cgroup v2",
				Means: fmt.Sprintf("a kubelet of %s expects cgroup v1; its support of v2 was finished in v1.25", f.version()),
			}, "systemd.unified_cgroup_hierarchy=0"))
		}
		return fine("cgroup-version", "cgroup v2")
	}
	switch f.kubeletFacts().CgroupV1() {
	case kubeadm.CgroupV1Works:
		return fine("cgroup-version", "cgroup v1")
	case kubeadm.CgroupV1Maintenance:
		return one(f.withBoot(Finding{ID: "cgroup-version", Severity: Info, Seen: "cgroup v1", Means: "it still works " +
			"with this kubelet; from v1.35 on it is refused unless asked for"}, unified))
	}
	if f.clusterHere() {
		return one(f.withBoot(Finding{ID: "cgroup-version", Severity: Info, Seen: "cgroup v1, and a kubelet that runs on it",
			Means: "a kubelet from v1.35 on does so only with failCgroupV1: false"}, unified))
	}
	if f.Ask.FailCgroupV1 == "false" {
		return one(Finding{
			ID: "cgroup-version", Severity: Fail, Seen: "cgroup v1, allowed by failCgroupV1: false",
			Checks: []string{systemCheck},
			Means:  "the kubelet takes it; kubeadm's preflight refuses it regardless",
			Fix: []string{"kubeadm-arm init --ignore-preflight-errors=" + f.ignoring(systemCheck) + "    # beside your " +
				"--config"},
		})
	}
	return one(f.withBoot(Finding{
		ID: "cgroup-version", Severity: Fail, Seen: "cgroup v1", Checks: []string{"cgroup-version"},
		Means: fmt.Sprintf("the kubelet of %s does not start on it; cgroup v2 is one line away, or set failCgroupV1: "+
			"false in a KubeletConfiguration and ignore %s", f.version(), systemCheck),
	}, unified))
}
