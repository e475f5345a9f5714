package doctor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// containerdFile is where containerd's configuration is; newContainerdFile is
// the beginning of one that has to be made. Version 2 is read by every
// containerd since 1.3.
const (
	containerdFile    = "/etc/containerd/config.toml"
	newContainerdFile = "version = 2\n"
)

// kubeletSetting is a setting of the kubelet: its flag where one is given, else
// what its configuration on a board with a cluster says, else what the one for
// init says.
func (f Facts) kubeletSetting(flag, configured string) string {
	name := map[string]string{"fail-swap-on": "failSwapOn", "cgroup-driver": "cgroupDriver"}[flag]
	switch here := f.Host.Node.KubeletConfig[name]; {
	case f.Host.Node.KubeletFlag(flag) != "":
		return f.Host.Node.KubeletFlag(flag)
	case here != "" && f.clusterHere():
		return here
	}
	return configured
}

func isFalse(value string) bool {
	b, err := strconv.ParseBool(value)
	return err == nil && !b
}

// criFile is the file of containerd's configuration whose settings of the CRI
// plugin count: the last one that has any, else the main one.
func criFile(c host.ContainerdConfig) host.ContainerdFile {
	for i := len(c.Files) - 1; i >= 0; i-- {
		if c.Files[i].CRI {
			return c.Files[i]
		}
	}
	if len(c.Files) > 0 {
		return c.Files[0]
	}
	return host.ContainerdFile{Path: containerdFile, Version: 2}
}

// criEdit sets one setting of the CRI plugin.
func criEdit(c host.ContainerdConfig, value any, path ...string) Edit {
	file := criFile(c)
	key := append([]string{"plugins", file.Plugin()}, path...)
	return Edit{file.Path, setTOML{Key: keyOf(key...), Value: value, Missing: newContainerdFile}}
}

// systemdCgroup are the edits that give the runtime in use the systemd driver.
// containerd 1 takes a runtime that the file describes in part for described in
// full: without its type no pod would start.
func systemdCgroup(c host.ContainerdConfig) []Edit {
	table := []string{"containerd", "runtimes", c.Runtime}
	if c.Unnamed {
		table = []string{"containerd", "default_runtime"}
	}
	var all []Edit
	if !c.Described {
		all = append(all, criEdit(c, "io.containerd.runc.v2", append(table, "runtime_type")...))
	}
	return append(all, criEdit(c, true, append(table, "options", "SystemdCgroup")...))
}

// oldShim is containerd's first kind of runtime, the only one that
// systemd_cgroup is for. containerd 2 has neither.
const oldShim = "io.containerd.runtime.v1.linux"

// oldCgroup reports whether containerd refuses its CRI plugin for that setting.
func (f Facts) oldCgroup() bool {
	c := f.Host.Runtime.Containerd
	return c.OldCgroup && c.RuntimeType != oldShim && !strings.HasPrefix(f.RuntimeVersion, "2.")
}

func containerdConfig(f Facts) []Finding {
	c := f.Host.Runtime.Containerd
	if !f.uses("containerd") || c.Path == "" {
		return nil
	}
	found := Finding{ID: "containerd-config", Severity: Fail, Rule: ContainerdRule, Checks: []string{"CRI"}}
	switch {
	case c.Problem != nil:
		found.Severity, found.Checks = Warning, nil
		found.Seen = c.Problem.Error()
		found.Means = "containerd does not start with such a file"
		found.Fix = append(editByHand(*c.Problem), restartContainerd)
	case len(c.Marked) > 0 && !strings.HasPrefix(f.RuntimeVersion, "1."):
		found.Seen = strings.Join(c.Marked, ", ") + " begins with a byte order mark (U+FEFF), as some editors write it"
		found.Means = "containerd 2 does not start with such a file"
		for _, path := range c.Marked {
			found.Edits = append(found.Edits, Edit{path, dropMark{}})
		}
		found.Fix = []string{restartContainerd}
		if f.RuntimeVersion == "" {
			found.Severity, found.Checks = Warning, nil
		}
	case len(c.DisabledIn) > 0:
		found.Seen = strings.Join(c.DisabledIn, ", ") + " switches the CRI plugin off (disabled_plugins)"
		found.Means = "Docker's package containerd.io ships it so; the kubelet talks to that very plugin"
		names := keyOf("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime",
			"io.containerd.cri.v1.images")
		for _, path := range c.DisabledIn {
			found.Edits = append(found.Edits, Edit{path, removeTOML{"disabled_plugins", names}})
		}
		found.Fix = []string{restartContainerd}
	case !c.Described && c.Runtime != "runc":
		found.Seen = fmt.Sprintf("default_runtime_name is %q, and no such runtime is described", c.Runtime)
		found.Means = "containerd does not load its CRI plugin then, and the kubelet talks to that very plugin"
		found.Edits = []Edit{criEdit(c, "runc", "containerd", "default_runtime_name")}
		found.Fix = []string{restartContainerd}
	case f.oldCgroup():
		found.Seen = criFile(c).Path + " has systemd_cgroup = true, which is for runtimes of containerd 1.2 only"
		found.Means = `containerd does not load its CRI plugin then ("systemd_cgroup only works for runtime ` +
			oldShim + `"); the runtime's own SystemdCgroup is what is meant`
		found.Edits = append([]Edit{criEdit(c, false, "systemd_cgroup")}, systemdCgroup(c)...)
		found.Fix = []string{restartContainerd}
	case c.Described && c.RuntimeType == "" && strings.HasPrefix(f.RuntimeVersion, "1."):
		found.Seen = fmt.Sprintf("%s describes the runtime %s without its runtime_type", criFile(c).Path, c.Runtime)
		found.Means, found.Checks = "containerd 1 takes no default for it then, and no pod starts", nil
		found.Edits = []Edit{criEdit(c, "io.containerd.runc.v2", "containerd", "runtimes", c.Runtime, "runtime_type")}
		found.Fix = []string{restartContainerd}
	default:
		return fine("containerd-config", c.Path)
	}
	return one(found)
}

// editByHand are the lines about a file that no edit can be made in.
func editByHand(p host.FileProblem) []string {
	path := shell.Quote(p.Path)
	if p.Line > 0 {
		path = fmt.Sprintf("+%d %s", p.Line, path)
	}
	line := "sudo nano " + path
	if p.Fix != "" {
		line += "    # " + p.Fix
	}
	return []string{line}
}

// runtimeConfig names a file of CRI-O's or Docker's configuration that cannot be read;
// containerd's is containerdConfig's.
func runtimeConfig(f Facts) []Finding {
	for _, r := range []struct {
		used     bool
		id, name string
		unit     string
		problem  *host.FileProblem
	}{
		{f.uses("CRI-O"), "crio-config", "CRI-O", "crio", f.Host.Runtime.CRIO.Problem},
		{f.uses("Docker") || f.uses("cri-dockerd"), "docker-config", "Docker", "docker", f.Host.Runtime.Docker.Problem},
	} {
		if r.used && r.problem != nil {
			return one(Finding{
				ID: r.id, Severity: Warning, Rule: OwnRule, Seen: r.problem.Error(),
				Means: r.name + " does not start with such a file",
				Fix:   append(editByHand(*r.problem), "sudo systemctl restart "+r.unit),
			})
		}
	}
	return nil
}
