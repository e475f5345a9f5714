package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// cniPlugins looks for the plugins where containerd is configured to look:
// loopback, which every pod needs, and those that the network's configuration
// names.
func cniPlugins(f Facts) []Finding {
	c, cni := f.Host.Runtime.Containerd, f.Host.Runtime.CNI
	dirs := c.BinDirs
	if f.uses("Docker") || f.uses("cri-dockerd") {
		dirs = []string{"/opt/cni/bin"} // the default of the kubelet up to v1.23, and of cri-dockerd
	} else if !f.uses("containerd") || c.Problem != nil {
		return nil
	}
	if len(dirs) == 0 || cni.Where == nil {
		return nil
	}
	if cni.Problem != nil {
		return one(Finding{
			ID: "cni-plugins", Severity: Warning, Rule: ContainerdRule, Seen: cni.Problem.Error(),
			Means: "the node stays NotReady: the pod network's configuration cannot be read",
			Fix:   editByHand(*cni.Problem),
		})
	}
	needed := cni.Plugins
	if !c.InternalLoopback {
		needed = append([]string{"loopback"}, needed...)
	}
	var missing []string
	elsewhere := ""
	for _, name := range needed {
		where := cni.Where[name]
		if slices.ContainsFunc(where, func(dir string) bool { return slices.Contains(dirs, dir) }) ||
			slices.Contains(missing, name) {
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) == 0 {
		return fine("cni-plugins", "in "+strings.Join(dirs, ", "))
	}
	for _, dir := range cni.Where[missing[0]] {
		if !slices.ContainsFunc(needed, func(name string) bool { return !slices.Contains(cni.Where[name], dir) }) {
			elsewhere = dir
			break
		}
	}
	found := Finding{
		ID: "cni-plugins", Severity: Warning, Rule: ContainerdRule,
		Seen:  fmt.Sprintf("there is no CNI plugin %s in %s", strings.Join(missing, ", "), strings.Join(dirs, ", ")),
		Means: "the node stays NotReady: \"failed to find plugin " + missing[0] + " in path\"",
	}
	switch {
	case elsewhere != "" && f.uses("containerd"):
		found.Seen += "; " + elsewhere + " has it"
		found.Edits = []Edit{f.binDir(elsewhere)}
		found.Fix = []string{restartContainerd}
	case slices.Equal(missing, []string{"loopback"}) || slices.Contains(missing, "loopback"):
		found.Fix = []string{packageOf(dirs)}
	default:
		found.Fix = []string{
			"# the pod network's own installer brings " + strings.Join(missing, ", ") + ": apply its manifest, or " +
				"install it again;",
			"# it has to put it into " + dirs[0],
		}
	}
	return one(found)
}

// binDir points containerd at a folder with CNI plugins.
func (f Facts) binDir(dir string) Edit {
	c := f.Host.Runtime.Containerd
	if c.BinDirsList {
		return criEdit(c, []string{dir}, "cni", "bin_dirs")
	}
	return criEdit(c, dir, "cni", "bin_dir")
}

// packageOf is the line that installs the plugins into one of some folders.
func packageOf(dirs []string) string {
	switch {
	case slices.Contains(dirs, "/opt/cni/bin"):
		return "sudo apt install kubernetes-cni    # of pkgs.k8s.io, into /opt/cni/bin"
	case slices.Contains(dirs, "/usr/lib/cni"):
		return "sudo apt install containernetworking-plugins    # Debian's, into /usr/lib/cni"
	}
	return "sudo apt install containernetworking-plugins    # Debian's, into /usr/lib/cni; then set bin_dir in " +
		containerdFile
}
