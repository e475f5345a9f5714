package plan

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// unsupportedArch is the variable without which etcd ends at once on a CPU that
// its makers do not test (go.etcd.io/etcd/server/v3/etcdmain/etcd.go,
// checkSupportArch): 32-bit ARM is one. kubeadm does not set it.
const unsupportedArch = "ETCD_UNSUPPORTED_ARCH"

// etcdEnv is what etcd's environment needs on this CPU.
func (m *maker) etcdEnv() []patch.Env {
	if !m.arm32() {
		return nil
	}
	const why = "etcd refuses to start on 32-bit ARM without it, and kubeadm does not set it"
	m.decide(GroupManifests, unsupportedArch, "arm", why)
	return []patch.Env{{Name: unsupportedArch, Value: "arm", Reason: why}}
}

// arm32 tells whether the board's programs are for 32-bit ARM. An ARMv8 core may
// run a 32-bit kernel, or 32-bit programs under its 64-bit kernel.
func (m *maker) arm32() bool {
	b := m.f.Board
	switch machine := b.Kernel.Machine; {
	case strings.HasPrefix(machine, "arm"): // armv6l, armv7l, armv8l
		return true
	case machine == "aarch64":
		return b.Userland == "32-bit"
	case machine != "":
		return false
	}
	return slices.Contains([]hwdetect.Arch{hwdetect.ARMv5, hwdetect.ARMv6, hwdetect.ARMv7}, b.CPU.Arch)
}
