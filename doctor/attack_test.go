package doctor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// With several runtimes installed the one that kubeadm of that version takes is judged,
// running or not, and not Docker whenever it is there.
func TestSeveralRuntimes(t *testing.T) {
	at := func(minor int, programs ...string) Facts {
		b, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: minor})
		require.NoError(t, err)
		f := Facts{Kubeadm: b, Known: true}
		f.Host.Node.Systemd = true
		f.Host.Runtime.Docker.CgroupDriver = "cgroupfs"
		f.Host.Runtime.Containerd.SystemdCgroup = "true"
		f.Host.Services = map[string]host.UnitState{}
		for _, p := range programs {
			f.Host.Programs = append(f.Host.Programs, hwdetect.Binary{Path: "/usr/bin/" + p})
			unit := strings.TrimSuffix(p, "d") + ".service"
			if p == "containerd" {
				unit = "containerd.service"
			}
			f.Host.Services[unit] = host.UnitEnabled
		}
		return f
	}
	for _, stopped := range []bool{false, true} {
		f := at(37, "dockerd", "containerd")
		f.Host.Stopped = stopped
		assert.True(t, f.uses("containerd"), "stopped: %v", stopped)
		assert.False(t, f.uses("Docker"), "stopped: %v", stopped)
		d, _ := f.runtimeDriver()
		assert.Equal(t, "containerd", d.unit, "stopped: %v", stopped)

		f = at(23, "dockerd", "containerd")
		f.Host.Stopped = stopped
		assert.True(t, f.uses("Docker"), "stopped: %v", stopped)
		assert.False(t, f.uses("containerd"), "stopped: %v", stopped)
		x := find(Report{Findings: cgroupDriver(f)}, "cgroup-driver")
		assert.NotEqual(t, "", x.ID)
	}

	f := at(37, "containerd", "crio")
	f.Host.Stopped = true
	x := runtimeAnswers(f)[0]
	assert.Equal(t, Fail, x.Severity)
	assert.Contains(t, x.Seen, "containerd at /run/containerd/containerd.sock, CRI-O at /run/crio/crio.sock")
	assert.False(t, f.uses("containerd") || f.uses("CRI-O"), "whichever the owner will take")
	f.Ask.CRISocket = "unix:///var/run/crio/crio.sock"
	assert.True(t, f.uses("CRI-O"))
	assert.False(t, f.uses("containerd"))
	assert.Equal(t, OK, runtimeAnswers(f)[0].Severity)
	f.Ask.CRISocket = ""
	f.Host.Services["crio.service"] = host.UnitDisabled
	assert.True(t, f.uses("containerd"))
	assert.Equal(t, OK, runtimeAnswers(f)[0].Severity)

	f = at(37, "dockerd")
	f.Host.Stopped = true
	assert.Equal(t, Fail, runtimeAnswers(f)[0].Severity, "nothing that the kubelet can talk to")
	assert.False(t, f.uses("Docker"))
}

// A kernel that knows no cgroup_enable= has the memory cgroup off for cgroup_disable=
// alone: that is taken out, and no other kernel is asked for.
func TestDisabledAndEnabled(t *testing.T) {
	const line = "root=/dev/mmcblk0p2 cgroup_disable=memory cgroup_enable=memory cgroup_memory=1"
	f := Facts{}
	f.Host.Cmdline = strings.Fields(line)
	s, ok := host.ParseBootFile(line+"\n", host.BootCmdline)
	require.True(t, ok)
	f.Host.BootFile = &host.BootFile{Path: "/boot/cmdline.txt", Kind: host.BootCmdline, Text: line + "\n", Setting: s}
	x := f.memoryCgroupOff()
	require.Len(t, x.Edits, 1, "%v", x)
	after, err := x.Edits[0].Change.Apply([]byte(line + "\n"))
	require.NoError(t, err)
	assert.Equal(t, "root=/dev/mmcblk0p2 cgroup_enable=memory cgroup_memory=1\n", string(after))

	f.Host.Stopped = true
	off := "root=/dev/mmcblk0p2 cgroup_memory=0"
	f.Host.BootFile.Text = off
	f.Host.BootFile.Setting, _ = host.ParseBootFile(off, host.BootCmdline)
	assert.Contains(t, f.memoryCgroupAtStart()[0].Seen, "cmdline.txt says cgroup_memory=0")
}
