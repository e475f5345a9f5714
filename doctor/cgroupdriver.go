package doctor

import (
	"fmt"
	"path"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// A driver is the cgroup driver of the container runtime that pods get.
type driver struct {
	// runtime is the runtime's name in a sentence, unit its service.
	runtime, unit string
	// is "systemd" or "cgroupfs".
	is string
	// edits are what make it systemd; where they cannot, byHand says what does.
	edits  []Edit
	byHand string
	// tells is set for a runtime that tells kubelets of v1.31 and later which it is.
	tells bool
}

// containerdDriver is that of containerd's default runtime.
func (f Facts) containerdDriver() driver {
	c := f.Host.Runtime.Containerd
	d := driver{runtime: "containerd", unit: "containerd", is: "cgroupfs", edits: systemdCgroup(c),
		tells: strings.HasPrefix(f.RuntimeVersion, "2.")}
	if c.SystemdCgroup == "true" || c.OldCgroup && c.RuntimeType == oldShim {
		d.is = "systemd"
	}
	if c.Runtime != "runc" {
		d.runtime += "'s runtime " + c.Runtime
	}
	return d
}

// crioDriver is CRI-O's. It tells the kubelet since its version 1.28, which is older
// than the kubelets that ask.
func (f Facts) crioDriver() driver {
	c := f.Host.Runtime.CRIO
	d := driver{runtime: "CRI-O", unit: "crio", is: "systemd", tells: true}
	if c.CgroupManager != "" {
		d.is = c.CgroupManager
	}
	// A file of its own: CRI-O reads every file of the folder, a copy of the owner's too.
	own := host.CRIODropIns + "/99-kubeadm-arm.conf"
	if path.Dir(c.SetIn) == host.CRIODropIns && c.SetIn > own {
		own = strings.TrimSuffix(c.SetIn, ".conf") + ".kubeadm-arm.conf"
	}
	d.edits = []Edit{{own, setTOML{Key: keyOf("crio", "runtime", "cgroup_manager"), Value: "systemd"}}}
	return d
}

// dockerDriver is Docker's: what its configuration says, else what it takes.
func (f Facts) dockerDriver() driver {
	d := driver{runtime: "Docker", unit: "docker", is: "cgroupfs",
		edits: []Edit{{host.DockerConfigPath, setExecOpt{"native.cgroupdriver", "systemd"}}}}
	if file := f.Host.Runtime.Docker.FlagIn; file != "" {
		d.edits = nil // Docker refuses options in both places
		d.byHand = "sudo nano " + shell.Quote(file) + "    # --exec-opt native.cgroupdriver=systemd"
	}
	switch {
	case f.Host.Runtime.Docker.CgroupDriver != "":
		d.is = f.Host.Runtime.Docker.CgroupDriver
	case f.Host.Cgroups.Version == 2:
		d.is = "systemd"
	}
	return d
}

// runtimeDriver is the driver of the runtime that is used, known is false without one
// or when its configuration cannot be read.
func (f Facts) runtimeDriver() (d driver, known bool) {
	r := f.Host.Runtime
	switch {
	case f.uses("Docker") || f.uses("cri-dockerd"): // Docker's containers, and Docker's driver
		return f.dockerDriver(), r.Docker.Problem == nil
	case f.uses("CRI-O"):
		return f.crioDriver(), r.CRIO.Problem == nil
	case f.uses("containerd"):
		// The remedy for a refused systemd_cgroup sets this, too.
		return f.containerdDriver(), r.Containerd.Problem == nil && !f.oldCgroup() && r.Containerd.HasDriver()
	}
	return driver{}, false
}

func cgroupDriver(f Facts) []Finding {
	runtime, known := f.runtimeDriver()
	if !known || !f.Host.Node.Systemd {
		return nil
	}
	shim := f.uses("cri-dockerd")
	docker := runtime.unit == "docker"
	if docker && !shim && f.Kubeadm.TakesDockersDriver() {
		return fine("cgroup-driver", "the kubelet takes Docker's: "+runtime.is)
	}
	kubelet := f.kubeletSetting("cgroup-driver", f.Ask.CgroupDriver)
	if kubelet == "" {
		kubelet = f.Kubeadm.Value(kubeadm.CgroupDriver)
	}
	if kubelet == runtime.is {
		return fine("cgroup-driver", "kubelet and "+runtime.runtime+": "+kubelet)
	}
	found := Finding{
		ID: "cgroup-driver", Severity: Warning, Rule: OwnRule,
		Seen: fmt.Sprintf("cgroup drivers differ: the kubelet's is %s, that of %s is %s", kubelet, runtime.runtime,
			runtime.is),
		Means: "two managers of one tree: the control plane's containers are killed and started again every few " +
			"minutes",
	}
	if runtime.is != "cgroupfs" {
		found.Fix = f.kubeletConfiguration("cgroup-driver", "cgroupDriver: systemd")
		return one(found)
	}
	found.Edits, found.Fix = runtime.edits, []string{"sudo systemctl restart " + runtime.unit}
	if runtime.byHand != "" {
		found.Fix = append([]string{runtime.byHand, "sudo systemctl daemon-reload"}, found.Fix...)
	}
	switch {
	case docker:
		found.Severity, found.Rule = Fail, KubeletRule
		found.Means = "the kubelet exits: misconfiguration: kubelet cgroup driver is different from docker cgroup " +
			"driver"
		if shim {
			found.Means = "no pod starts: Docker refuses the names that the kubelet gives to cgroups " +
				"(cgroup-parent for systemd cgroup should be a valid slice)"
		}
	case runtime.tells && f.kubeletFacts().Has(kubeadm.DriverFromCRI):
		found.Severity, found.Seen = Info, "the cgroup driver of "+runtime.runtime+" is cgroupfs, and the kubelet "+
			"takes it from there"
		found.Means = "it works; systemd and the kubelet then manage one tree of cgroups side by side, which costs " +
			"stability when memory is short"
	case runtime.unit == "crio":
		found.Means = "no pod starts: CRI-O says that it is " +
			"\"configured with cgroupfs cgroup manager, but received systemd slice as parent\""
	}
	return one(found)
}
