package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// kubeletFacts are the version table's for the kubelet: its own when it told its
// version, else those of kubeadm.
func (f Facts) kubeletFacts() kubeadm.Behaviour {
	if f.Kubelet != (kubeadm.Version{}) {
		if b, err := kubeadm.BehaviourOf(f.Kubelet); err == nil {
			return b
		}
	}
	return f.Kubeadm
}

// sockets are those that the kubelet could use.
func (f Facts) sockets() []hwdetect.Socket {
	asked := strings.TrimPrefix(f.Ask.CRISocket, "unix://")
	var all []hwdetect.Socket
	for _, s := range f.Host.Runtime.Sockets {
		switch {
		case asked != "" && filepath.Clean(s.Path) != strings.Replace(filepath.Clean(asked), "/var/run/", "/run/", 1) && s.Path != asked:
		case s.Runtime == "Docker" && f.kubeletFacts().Value(kubeadm.Dockershim) != "yes":
		default:
			all = append(all, s)
		}
	}
	return all
}

func (f Facts) installed(name string) bool {
	return slices.ContainsFunc(f.Host.Programs, func(p hwdetect.Binary) bool { return filepath.Base(p.Path) == name })
}

const restartContainerd = "sudo systemctl restart containerd"

func runtimeAnswers(f Facts) []Finding {
	if f.Host.Stopped {
		return f.runtimeAtStart()
	}
	all := f.sockets()
	for _, s := range all {
		if s.Answers {
			return fine("runtime", s.Runtime+" answers at "+s.Path)
		}
	}
	found := Finding{ID: "runtime", Severity: Fail, Checks: []string{"CRI"}, Means: "kubeadm's preflight refuses it: nothing would start containers"}
	if f.Resuming {
		// After a power cut it may still be on its way.
		found.Severity, found.Means = Warning, "nothing starts containers until it answers"
	}
	switch {
	case len(all) > 0:
		found.Seen = fmt.Sprintf("%s does not answer at %s: %s", all[0].Runtime, all[0].Path, all[0].Problem)
		unit := strings.ToLower(strings.ReplaceAll(all[0].Runtime, "CRI-O", "crio"))
		found.Fix = []string{"sudo systemctl restart " + unit + "; systemctl status " + unit, "journalctl -u " + unit + " | tail -20"}
		if strings.Contains(all[0].Problem, "permission denied") {
			found.Severity, found.Checks = Info, nil
			found.Means, found.Fix = "only root may ask it", []string{"sudo kubeadm-arm doctor"}
		}
	case f.Ask.CRISocket != "":
		found.Seen = "there is no socket " + f.Ask.CRISocket
		found.Fix = []string{"ls -l /run/*/*.sock /run/*.sock    # which runtime is there? name its socket with --cri-socket"}
	case f.installed("containerd"):
		found.Seen = "containerd is installed and does not run"
		found.Fix = []string{"sudo systemctl enable --now containerd"}
	case f.installed("crio"):
		found.Seen = "CRI-O is installed and does not run"
		found.Fix = []string{"sudo systemctl enable --now crio"}
	default:
		found.Seen = "there is no container runtime"
		found.Fix = []string{"sudo apt install containerd"}
	}
	for _, s := range f.Host.Runtime.Sockets {
		if s.Runtime == "Docker" && f.kubeletFacts().Value(kubeadm.Dockershim) != "yes" && len(all) == 0 && f.Ask.CRISocket == "" {
			found.Seen = "Docker runs, and nothing that this kubelet can talk to"
			found.Means = "since Kubernetes v1.24 the kubelet does not talk to Docker; the containerd that Docker brought along will do"
		}
	}
	return one(found)
}

// usesContainerd tells whether containerd's configuration counts here.
func (f Facts) usesContainerd() bool {
	all := f.sockets()
	if i := slices.IndexFunc(all, func(s hwdetect.Socket) bool { return s.Answers }); i >= 0 {
		return all[i].Runtime == "containerd"
	}
	return f.installed("containerd")
}

func runtimeConfig(f Facts) []Finding {
	c := f.Host.Runtime.Containerd
	switch {
	case !f.usesContainerd() || c.Path == "":
		return nil
	case c.Problem != "":
		return one(Finding{
			ID: "containerd-config", Severity: Warning, Seen: c.Path + ": " + c.Problem,
			Means: "containerd does not start with such a file",
			Fix:   []string{"sudo nano " + c.Path, restartContainerd},
		})
	case c.CRIDisabled:
		return one(Finding{
			ID: "containerd-config", Severity: Fail, Seen: c.Path + " switches the CRI plugin off (disabled_plugins)", Checks: []string{"CRI"},
			Means: "Docker's package containerd.io ships it so; the kubelet talks to that very plugin",
			Fix:   []string{`sudo sed -i 's/^\( *disabled_plugins *= *\).*/\1[]/' ` + c.Path + " && " + restartContainerd},
		})
	}
	return fine("containerd-config", c.Path)
}

// ParseRuntimeVersion finds the version in what `containerd --version` prints,
// such as "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1"
// or "containerd containerd.io v2.1.4 75cb2b7": the first word of that form,
// without v and what follows the numbers. Empty when there is none.
func ParseRuntimeVersion(text string) string {
	for _, word := range strings.Fields(text) {
		word = strings.TrimPrefix(word, "v")
		end := strings.IndexFunc(word, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end >= 0 {
			word = word[:end]
		}
		parts := strings.Split(word, ".")
		if len(parts) >= 2 && len(parts) <= 3 && !slices.Contains(parts, "") {
			return word
		}
	}
	return ""
}

func runtimeVersion(f Facts) []Finding {
	if f.RuntimeVersion == "" || !f.usesContainerd() {
		return nil
	}
	parts := strings.Split(f.RuntimeVersion, ".")
	major, minor := number(parts[0]), 0
	if len(parts) > 1 {
		minor = number(parts[1])
	}
	// CRI v1 came with containerd 1.6, v1alpha2 went with 2.0 (containerd's
	// releases.md, "Kubernetes Support").
	api := strings.Split(f.kubeletFacts().Value(kubeadm.RuntimeAPI), ",")
	hasV1 := major > 1 || major == 1 && minor >= 6
	hasAlpha := major < 2
	if slices.Contains(api, "v1") && hasV1 || slices.Contains(api, "v1alpha2") && hasAlpha {
		return fine("runtime-version", "containerd "+f.RuntimeVersion)
	}
	found := Finding{ID: "runtime-version", Severity: Fail, Seen: "containerd " + f.RuntimeVersion, Checks: []string{"CRI"}}
	if !hasV1 {
		found.Means = "this kubelet speaks CRI v1 only, which containerd has since 1.6"
		found.Fix = []string{"sudo apt install -t bookworm-backports containerd    # or Debian 12's, or containerd.io from download.docker.com"}
	} else {
		found.Means = "this kubelet speaks CRI v1alpha2 only, which containerd dropped in 2.0"
		found.Fix = []string{"# install containerd 1.6 or 1.7, or a Kubernetes from v1.23 on"}
	}
	return one(found)
}

func cgroupDriver(f Facts) []Finding {
	if !f.usesContainerd() || !f.Host.Node.Systemd || f.Host.Runtime.Containerd.Problem != "" {
		return nil
	}
	kubelet := f.Ask.CgroupDriver
	if kubelet == "" {
		kubelet = f.Kubeadm.Value(kubeadm.CgroupDriver)
	}
	runtime := "cgroupfs"
	if f.Host.Runtime.Containerd.SystemdCgroup == "true" {
		runtime = "systemd"
	}
	if kubelet == runtime {
		return fine("cgroup-driver", "kubelet and containerd: "+kubelet)
	}
	found := Finding{
		ID: "cgroup-driver", Severity: Warning, Seen: fmt.Sprintf("cgroup drivers differ: the kubelet's is %s, containerd's %s", kubelet, runtime),
		Means: "two managers of one tree: the control plane's containers are killed and started again every few minutes",
	}
	if runtime == "cgroupfs" {
		if f.Host.Runtime.Containerd.SystemdCgroup == "" {
			found.Fix = append(found.Fix, "sudo mkdir -p /etc/containerd && containerd config default | sudo tee /etc/containerd/config.toml >/dev/null")
		}
		found.Fix = append(found.Fix, "sudo sed -i 's/SystemdCgroup = false/SystemdCgroup = true/' /etc/containerd/config.toml && "+restartContainerd)
		return one(found)
	}
	found.Fix = []string{"# in a KubeletConfiguration that --config names:", "cgroupDriver: systemd"}
	return one(found)
}

func sandboxImage(f Facts) []Finding {
	image := f.Host.Runtime.Containerd.SandboxImage
	if !f.ImagesTold || !f.usesContainerd() {
		return nil
	}
	for _, i := range f.Images {
		if i == image || image == "" && strings.Contains(i, "/pause:") {
			return fine("sandbox-image", i+" is there")
		}
	}
	if image == "" {
		image = "the pause image"
	}
	found := Finding{ID: "sandbox-image", Severity: Info, Seen: image + " is not on the board", Means: "every pod needs it; it is pulled with the first one"}
	if f.Host.Network.Told && !f.Host.Network.DefaultRoute {
		found.Severity = Warning
		found.Means = "every pod needs it, and without a network it cannot be pulled"
	}
	return one(found)
}
