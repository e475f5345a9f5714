package host

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// CgroupState is how control groups are set up.
type CgroupState struct {
	// Version is 1 or 2; 0 when none is mounted. A hybrid counts as 1, as the
	// kubelet sees it.
	Version int `json:"version"`
	// Controllers are those in use.
	Controllers []string `json:"controllers,omitempty"`
	// Off are controllers that the kernel has and that are switched off, by
	// cgroup_disable= or by the kernel's default.
	Off []string `json:"off,omitempty"`
	// Known is false when no file says anything about controllers.
	Known bool `json:"known"`
}

// Has reports whether a controller is in use.
func (c CgroupState) Has(name string) bool { return slices.Contains(c.Controllers, name) }

func readCgroups(f files, mounts linux.Mounts) CgroupState {
	var c CgroupState
	for _, m := range mounts {
		switch {
		case m.Mountpoint == "/sys/fs/cgroup" && m.FSType == "cgroup2":
			c.Version = 2
		case m.FSType == "cgroup" && c.Version == 0:
			c.Version = 1
		}
	}
	on, off, known := parseCgroups(f.Read("/proc/cgroups"))
	c.Controllers, c.Off, c.Known = on, off, known
	if c.Version == 2 {
		// /proc/cgroups is about version 1; here only this file counts
		// (Documentation/admin-guide/cgroup-v2.rst, cgroup.controllers).
		text := f.Read("/sys/fs/cgroup/cgroup.controllers")
		c.Known = text != nil
		c.Controllers = strings.Fields(string(text))
	}
	return c
}

// parseCgroups reads /proc/cgroups (cgroups(7)): name, hierarchy, number of
// groups, enabled.
func parseCgroups(text []byte) (on, off []string, known bool) {
	for _, line := range rootfs.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 4 {
			continue
		}
		known = true
		if w[3] == "0" {
			off = append(off, w[0])
		} else {
			on = append(on, w[0])
		}
	}
	return on, off, known
}
