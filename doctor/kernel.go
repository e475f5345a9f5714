package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
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
	for _, p := range patterns {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(release) {
			return fine("kernel", "Linux "+release)
		}
	}
	return one(Finding{
		ID: "kernel", Severity: Fail, Seen: "Linux " + release, Checks: []string{systemCheck},
		Means: fmt.Sprintf("kubeadm %s wants %s", f.version(), f.why(kubeadm.KernelReleases)),
		Fix:   []string{"# install a newer kernel from your distribution (Armbian: armbian-config, Raspberry Pi OS: apt full-upgrade), or go on at your own risk:", "kubeadm-arm init --ignore-preflight-errors=" + f.ignoring(systemCheck)},
	})
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
	var missing, wanted []string
	for _, x := range features() {
		if x.options[0] == "CPUSETS" && f.Host.Cgroups.Version == 2 {
			continue // cgroup-controllers tells, and what it means
		}
		lacks := k.Lacks(x.options...)
		if k.ConfigFrom == "" && x.module != "" {
			lacks = k.LacksModule(x.module)
		}
		if !lacks {
			continue
		}
		if x.certain {
			missing = append(missing, "CONFIG_"+x.options[0])
		} else {
			wanted = append(wanted, fmt.Sprintf("CONFIG_%s (%s)", x.options[0], x.need))
		}
	}
	// kube-proxy and pod networks get by with either.
	if k.ConfigFrom != "" && k.Lacks("NF_TABLES") && k.Lacks("IP_NF_IPTABLES", "IP_NF_IPTABLES_LEGACY") ||
		k.ConfigFrom == "" && k.LacksModule("nf_tables") && k.LacksModule("ip_tables") {
		wanted = append(wanted, "CONFIG_NF_TABLES or CONFIG_IP_NF_IPTABLES (kube-proxy and every pod network)")
	}
	another := []string{"# another kernel is needed: your distribution's current one (Armbian: armbian-config, Debian: apt install linux-image-armmp)"}
	var all []Finding
	if len(missing) > 0 {
		all = append(all, Finding{
			ID: "kernel-features", Severity: Fail, Seen: "the kernel lacks " + strings.Join(missing, ", ") + " (" + k.ConfigFrom + ")", Checks: []string{systemCheck},
			Means: "no container can run on it", Fix: another,
		})
	}
	if len(wanted) > 0 {
		all = append(all, Finding{
			ID: "kernel-options", Severity: Warning, Seen: "the kernel lacks " + strings.Join(wanted, ", "),
			Means: "the control plane may come up; what is named in brackets will not work", Fix: another,
		})
	}
	if len(all) == 0 && (k.ConfigFrom != "" || k.ModulesTold) {
		return fine("kernel-features", "namespaces, cgroups, overlay, netfilter, vxlan, veth")
	}
	return all
}

// memoryOn are the parameters that switch the memory cgroup on: the first is
// the kernel's own, the second the Raspberry Pi kernel's since 4.19.
const memoryOn = "cgroup_enable=memory cgroup_memory=1"

func memoryCgroup(f Facts) []Finding {
	c := f.Host.Cgroups
	if !c.Told {
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
			Means: "kubeadm's own check wants them; kernels for one core, such as a Raspberry Pi 1's, have none, and the kubelet does without",
			Fix:   []string{"kubeadm-arm init --ignore-preflight-errors=SystemVerification"},
		})
	} else if len(missing) > 0 {
		all = append(all, Finding{
			ID: "cgroup-controllers", Severity: Fail, Seen: "cgroup controllers are missing: " + strings.Join(missing, ", "), Checks: []string{"cgroup-controllers", systemCheck},
			Means: "the kubelet does not start without them",
			Fix:   []string{"cat /proc/cgroups /sys/fs/cgroup/cgroup.controllers    # is one switched off by cgroup_disable= in /proc/cmdline?"},
		})
	}
	if !c.Has("memory") {
		found := Finding{
			ID: "memory-cgroup", Severity: Fail, Seen: "the memory cgroup is off", Checks: []string{"memory-cgroup", systemCheck},
			Means: "the kubelet does not start without it; Raspberry Pi OS and others leave it off",
			Fix:   bootLines(f.Host.BootFile, memoryOn),
		}
		if slices.Contains(f.Host.Cmdline, "cgroup_disable=memory") {
			found.Seen += ": cgroup_disable=memory in /proc/cmdline"
		}
		all = append(all, found)
	}
	if len(all) == 0 {
		return fine("memory-cgroup", "cgroup controllers: "+strings.Join(c.Controllers, ", "))
	}
	return all
}

// bootLines are the commands that add parameters to the kernel's command line in
// the board's own boot file.
func bootLines(b *hwdetect.BootFile, params string) []string {
	const reboot = "sudo reboot"
	if b == nil {
		return []string{"# add to the kernel's command line, wherever this board's boot loader keeps it: " + params, reboot}
	}
	var lines []string
	if b.DisablesMemory {
		lines = append(lines, "sudo sed -i 's/cgroup_disable=memory *//' "+b.Path)
	}
	appendTo := func(pattern, otherwise string) {
		if b.HasLine {
			lines = append(lines, "sudo sed -i '"+pattern+"' "+b.Path)
		} else {
			lines = append(lines, "echo '"+otherwise+"' | sudo tee -a "+b.Path)
		}
	}
	switch b.Kind {
	case hwdetect.BootCmdline:
		lines = append(lines, "sudo sed -i '1 s/$/ "+params+"/' "+b.Path)
	case hwdetect.BootEnv:
		appendTo("/^extraargs=/ s/$/ "+params+"/", "extraargs="+params)
	case hwdetect.BootExtlinux:
		lines = append(lines, "sudo sed -i '/^[[:blank:]]*append[[:blank:]]/I s/$/ "+params+"/' "+b.Path)
	case hwdetect.BootMenu:
		appendTo(`s/^U_BOOT_PARAMETERS="/&`+params+` /`, `U_BOOT_PARAMETERS="`+params+`"`)
		lines = append(lines, "sudo u-boot-update")
	case hwdetect.BootFlashKernel:
		appendTo(`s/^LINUX_KERNEL_CMDLINE="/&`+params+` /`, `LINUX_KERNEL_CMDLINE="`+params+`"`)
		lines = append(lines, "sudo flash-kernel")
	case hwdetect.BootGRUB:
		appendTo(`s/^GRUB_CMDLINE_LINUX="/&`+params+` /`, `GRUB_CMDLINE_LINUX="`+params+`"`)
		lines = append(lines, "sudo update-grub")
	}
	return append(lines, reboot)
}

// unified makes systemd boot with cgroup v2 (systemd(1)).
const unified = "systemd.unified_cgroup_hierarchy=1"

func cgroupVersion(f Facts) []Finding {
	switch f.Host.Cgroups.Version {
	case 0:
		if !f.Host.Cgroups.Told {
			return nil
		}
		return one(Finding{
			ID: "cgroup-version", Severity: Fail, Seen: "no cgroup file system is mounted", Checks: []string{systemCheck},
			Means: "neither the kubelet nor a container can run",
			Fix:   []string{"sudo mount -t cgroup2 none /sys/fs/cgroup    # systemd does it; on other systems: apt install cgroupfs-mount"},
		})
	case 2:
		if v := f.kubeletFacts().Value(kubeadm.CgroupV2); v != "yes" {
			return one(Finding{
				ID: "cgroup-version", Severity: Warning, Seen: "cgroup v2",
				Means: fmt.Sprintf("a kubelet of %s expects cgroup v1; its support of v2 was finished in v1.25", f.version()),
				Fix:   bootLines(f.Host.BootFile, "systemd.unified_cgroup_hierarchy=0"),
			})
		}
		return fine("cgroup-version", "cgroup v2")
	}
	switch f.kubeletFacts().Value(kubeadm.KubeletCgroupV1) {
	case "yes":
		return fine("cgroup-version", "cgroup v1")
	case "maintenance mode":
		return one(Finding{ID: "cgroup-version", Severity: Info, Seen: "cgroup v1", Means: "it still works with this kubelet; from v1.35 on it is refused unless asked for", Fix: bootLines(f.Host.BootFile, unified)})
	}
	if f.clusterHere() {
		return one(Finding{ID: "cgroup-version", Severity: Info, Seen: "cgroup v1, and a kubelet that runs on it", Means: "a kubelet from v1.35 on does so only with failCgroupV1: false", Fix: bootLines(f.Host.BootFile, unified)})
	}
	if f.Ask.FailCgroupV1 == "false" {
		return one(Finding{
			ID: "cgroup-version", Severity: Fail, Seen: "cgroup v1, allowed by failCgroupV1: false", Checks: []string{systemCheck},
			Means: "the kubelet takes it; kubeadm's preflight refuses it all the same",
			Fix:   []string{"kubeadm-arm init --ignore-preflight-errors=" + f.ignoring(systemCheck) + "    # beside your --config"},
		})
	}
	return one(Finding{
		ID: "cgroup-version", Severity: Fail, Seen: "cgroup v1", Checks: []string{"cgroup-version"},
		Means: fmt.Sprintf("the kubelet of %s does not start on it; cgroup v2 is one line away, or set failCgroupV1: false in a KubeletConfiguration and ignore %s", f.version(), systemCheck),
		Fix:   bootLines(f.Host.BootFile, unified),
	})
}
