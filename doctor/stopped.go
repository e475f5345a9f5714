package doctor

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
)

// runtimeAtStart reports whether a stopped system will have a container runtime once
// it has started. Sockets are made by what runs.
func (f Facts) runtimeAtStart() []Finding {
	will := f.toRun()
	if len(will) > 1 {
		var all []host.Socket
		for _, name := range will {
			all = append(all, host.Socket{Runtime: name, Path: socketPath(parts()[name].socket)})
		}
		return one(f.rivals(all))
	}
	if len(will) > 0 {
		name := will[0]
		unit := parts()[name].unit
		state, there := f.Host.Services[unit]
		if !there || state == host.UnitEnabled {
			return fine("runtime", name+" is installed")
		}
		fix := []string{f.systemctl("enable", unit)}
		if state == host.UnitMasked {
			fix = append([]string{f.systemctl("unmask", unit)}, fix...)
		}
		return one(Finding{
			ID: "runtime", Severity: Fail, Seen: unit + " is " + string(state), Checks: []string{"CRI"},
			Means: "it will not run after the next start, and kubeadm's preflight refuses that",
			Fix:   fix,
		})
	}
	if f.installed("dockerd") {
		return one(Finding{
			ID: "runtime", Severity: Fail, Seen: "Docker is installed, and nothing that this kubelet can talk to",
			Checks: []string{"CRI"}, Means: "since Kubernetes v1.24 the kubelet does not talk to Docker; the containerd " +
				"that Docker brought along will do",
			Fix: []string{"sudo apt install containerd"},
		})
	}
	return one(Finding{
		ID: "runtime", Severity: Fail, Seen: "there is no container runtime", Checks: []string{"CRI"},
		Means: "kubeadm's preflight refuses it: nothing would start containers",
		Fix:   []string{"sudo apt install containerd"},
	})
}

// atRest leaves of the lines for a stopped system those that do not act on the machine
// that it was looked at from: the next start does what others are for, or the owner
// does, on the board.
func (f Facts) atRest(lines []string) []string {
	byStart := []string{"systemctl restart", "sysctl --system", "modprobe ", "swapoff ", "reboot"}
	var all []string
	for _, line := range lines {
		first, _, _ := strings.Cut(line, " ")
		switch {
		case slices.ContainsFunc(byStart, func(c string) bool { return strings.HasPrefix(line, "sudo "+c) }):
		case strings.HasPrefix(line, "#"), strings.HasSuffix(first, ":"), strings.HasPrefix(line, "{"),
			strings.Contains(line, f.Under):
			all = append(all, line)
		default:
			all = append(all, "# on the board: "+line)
		}
	}
	return all
}

// cgroupVersionAtStart is 1 or 2 where the boot file asks systemd for it, else 0
// (systemd(1), systemd.unified_cgroup_hierarchy).
func (f Facts) cgroupVersionAtStart() int {
	version := 0
	if f.Host.BootFile == nil {
		return 0
	}
	for _, w := range f.Host.BootFile.Words() {
		if value, ok := strings.CutPrefix(w, "systemd.unified_cgroup_hierarchy="); ok {
			switch strings.ToLower(value) {
			case "0", "no", "false", "off":
				version = 1
			default:
				version = 2
			}
		}
	}
	return version
}

// settingsAtStart reports what a stopped system's files make of the kernel's settings.
// Other programs may set them, too, so only what a file says is certain.
func (f Facts) settingsAtStart() []Finding {
	var all []Finding
	for _, s := range f.sysctls() {
		file := f.Host.Network.SysctlFiles[s.name]
		switch {
		case !s.needed && !s.asked:
		case file.Value == "1":
			all = append(all, Finding{ID: s.id, Severity: OK, Seen: s.name + " is 1 in " + file.Path})
		case file.Path == "" || !s.asked:
			bridge := strings.HasPrefix(s.name, "net.bridge.")
			value := file.Value
			if !bridge {
				value = "0" // the kernel's own
			}
			found := f.sysctlFinding(s, value, bridge)
			found.Severity, found.Checks, found.Rule, found.Brief = Info, nil, OwnRule, true
			found.Seen, found.Means = "no file sets "+s.name+" to 1", "after the next start it is what other programs make it"
			found.Fix = nil
			all = append(all, found)
		default:
			found := f.sysctlFinding(s, file.Value, false)
			all = append(all, found)
		}
	}
	return all
}
