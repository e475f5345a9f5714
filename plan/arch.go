package plan

import "github.com/kubeadm-arm/kubeadm-arm/patch"

// unsupportedArch is the variable without which etcd ends at once on a CPU that
// its makers do not test (go.etcd.io/etcd/server/v3/etcdmain/etcd.go,
// checkSupportArch): 32-bit ARM is one. kubeadm does not set it.
const unsupportedArch = "ETCD_UNSUPPORTED_ARCH"

// etcdEnv is what etcd's environment needs on this CPU.
func (m *maker) etcdEnv() []patch.Env {
	if !m.f.Board.ARM32() {
		return nil
	}
	const why = "etcd refuses to start on 32-bit ARM without it, and kubeadm does not set it"
	m.decide(GroupManifests, unsupportedArch, "arm", why)
	return []patch.Env{{Name: unsupportedArch, Value: "arm", Reason: why}}
}
