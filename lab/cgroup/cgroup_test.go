package cgroup

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Lines of /proc/self/mounts of a Debian with hybrid hierarchies, joined
// controllers and one hierarchy mounted twice.
const mountsV1 = `proc /proc proc rw,nosuid 0 0
tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,mode=755 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /elsewhere/memory cgroup rw,relatime,memory 0 0
`

func TestParseHierarchies(t *testing.T) {
	got := parseHierarchies(mountsV1)
	assert.Equal(t, []hierarchy{
		{"systemd", "none,name=systemd"},
		{"cpu,cpuacct", "cpu,cpuacct"},
		{"memory", "memory"},
	}, got)
	assert.Empty(t, parseHierarchies(""))

	c := Groups{Name: "kubeadm-arm-lab-x", mounts: got}
	assert.Equal(t, "/sys/fs/cgroup/cpu,cpuacct/kubeadm-arm-lab-x", c.Dir("cpuacct"))
	assert.Empty(t, c.Dir("blkio"))
	c = Groups{Name: "kubeadm-arm-lab-x", V2: true}
	assert.Equal(t, "/sys/fs/cgroup/kubeadm-arm-lab-x", c.Dir("cpu"))
}

func FuzzParseHierarchies(f *testing.F) {
	f.Add(mountsV1)
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range parseHierarchies(text) {
			assert.NotEmpty(t, h.Dir)
		}
	})
}
