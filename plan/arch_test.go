package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// etcd ends at once on 32-bit ARM unless it is told that nobody tests it there.
func TestEtcdStartsOn32BitARM(t *testing.T) {
	want := patch.Env{Name: "ETCD_UNSUPPORTED_ARCH", Value: "arm",
		Reason: "etcd refuses to start on 32-bit ARM without it, and kubeadm does not set it"}
	for name, c := range map[string]struct {
		board hwdetect.Board
		want  bool
	}{
		"Banana Pi":                 {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "armv7l"}}, true},
		"Raspberry Pi 1":            {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "armv6l"}}, true},
		"ARMv8, 32-bit kernel":      {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "armv8l"}}, true},
		"ARMv8, 32-bit programs":    {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "aarch64"}, Userland: "32-bit"}, true},
		"ARMv8":                     {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "aarch64"}}, false},
		"a PC":                      {hwdetect.Board{Kernel: hwdetect.Kernel{Machine: "x86_64"}}, false},
		"kernel unknown, CPU ARMv7": {hwdetect.Board{CPU: hwdetect.CPU{Arch: hwdetect.ARMv7}}, true},
		"nothing known":             {hwdetect.Board{}, false},
	} {
		for _, profile := range Profiles() {
			for _, speed := range []Speed{Reference(), slow(15)} {
				f := Facts{Board: c.board, Speed: speed, Kubeadm: behaviour(t, 37, 2), Profile: profile}
				found := false
				for _, s := range MakeInit(f).Steps {
					if p, ok := s.(PatchManifests); ok {
						found = containsEnv(p.Settings[Etcd].Env, want)
						assert.False(t, containsEnv(p.Settings[APIServer].Env, want))
						assert.Equal(t, c.want, containsEnv(p.Settings[Etcd].Env, want), "%s, %s", name, profile)
					}
				}
				assert.True(t, found || !c.want, "%s, %s: nothing is patched", name, profile)
				assert.Equal(t, c.want, containsEnv(Patches(f)[Etcd].Env, want), "%s, %s: kubeadm-arm patch", name, profile)
			}
		}
	}
}

func containsEnv(all []patch.Env, want patch.Env) bool {
	for _, e := range all {
		if e == want {
			return true
		}
	}
	return false
}
