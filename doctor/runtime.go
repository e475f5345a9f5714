package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// kubeletFacts are the version table's for the kubelet: its own where its version is
// known, else those of kubeadm.
func (f Facts) kubeletFacts() kubeadm.Behaviour {
	if f.Kubelet != (kubeadm.Version{}) {
		if b, err := kubeadm.BehaviourOf(f.Kubelet); err == nil {
			return b
		}
	}
	return f.Kubeadm
}

// dockershimSocket is the kubelet's own, up to v1.23: it makes it when it talks
// to Docker, and nobody finds it before.
const dockershimSocket = "/run/dockershim.sock"

// A choice is the container runtime that kubeadm of this version takes.
type choice struct {
	// socket is the zero value when there is none.
	socket host.Socket
	// rivals are all that kubeadm finds, when it takes none of them because it
	// cannot choose.
	rivals []host.Socket
}

// socketPath is a socket's path without its scheme, as /run has it.
func socketPath(asked string) string {
	path := filepath.Clean(strings.TrimPrefix(asked, "unix://"))
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		return "/run/" + rest
	}
	return path
}

// choose follows kubeadm: a socket that is named counts alone; else the version's
// own way of looking for one.
func (f Facts) choose() choice {
	way := f.Kubeadm.RuntimePolicy()
	byRuntime := map[string]host.Socket{}
	for _, s := range f.Host.Runtime.Sockets {
		if f.Ask.CRISocket != "" && socketPath(s.Path) == socketPath(f.Ask.CRISocket) {
			return choice{socket: s}
		}
		// Since v1.24 a socket counts that answers, before one that is there.
		if s.Answers || way != kubeadm.ExactlyOne && s.Problem != host.NoSocket {
			byRuntime[s.Runtime] = s
		}
	}
	order := f.order(func(name string) bool { return byRuntime[name].Path != "" })
	var found []host.Socket
	for _, name := range order {
		if s := byRuntime[name]; s.Path != "" {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return choice{socket: f.silent(order)}
	case 1:
		return choice{socket: found[0]}
	}
	return choice{rivals: found}
}

// order are the runtimes that kubeadm of this version looks for, the first one first. there
// reports whether one is on the board.
func (f Facts) order(there func(runtime string) bool) []string {
	way := f.Kubeadm.RuntimePolicy()
	asked := socketPath(f.Ask.CRISocket)
	switch {
	case f.Ask.CRISocket == "" && way == kubeadm.DockerOnly,
		f.Ask.CRISocket != "" && way != kubeadm.ExactlyOne && asked == dockershimSocket:
		return []string{"Docker"}
	case f.Ask.CRISocket != "":
		return slices.DeleteFunc([]string{"containerd", "CRI-O", "cri-dockerd"}, func(name string) bool {
			return asked != socketPath(parts()[name].socket)
		})
	case way == kubeadm.DockerFirst && there("Docker"):
		return []string{"Docker", "CRI-O"}
	case way == kubeadm.DockerFirst:
		return []string{"containerd", "CRI-O"}
	}
	return []string{"containerd", "CRI-O", "cri-dockerd"}
}

// runtimeParts are what a runtime consists of; cri-dockerd's program is not looked for.
type runtimeParts struct{ socket, program, unit string }

func parts() map[string]runtimeParts {
	return map[string]runtimeParts{
		"containerd":  {"unix:///var/run/containerd/containerd.sock", "containerd", "containerd.service"},
		"CRI-O":       {"unix:///var/run/crio/crio.sock", "crio", "crio.service"},
		"cri-dockerd": {"unix:///var/run/cri-dockerd.sock", "", "cri-docker.service"},
		"Docker":      {"/var/run/dockershim.sock", "dockerd", "docker.service"},
	}
}

// hasRuntime reports whether a runtime is installed.
func (f Facts) hasRuntime(name string) bool {
	p := parts()[name]
	_, unit := f.Host.Services[p.unit]
	return p.program != "" && f.installed(p.program) || p.program == "" && unit
}

// toRun are the runtimes of the order that systemd starts, or else the first one that is
// installed.
func (f Facts) toRun() []string {
	var all, enabled []string
	for _, name := range f.order(f.hasRuntime) {
		if !f.hasRuntime(name) {
			continue
		}
		all = append(all, name)
		if state, there := f.Host.Services[parts()[name].unit]; !there || state == host.UnitEnabled {
			enabled = append(enabled, name)
		}
	}
	if len(enabled) == 0 && len(all) > 0 {
		return all[:1]
	}
	return enabled
}

// silent is the first socket of some runtimes that is there and does not answer.
func (f Facts) silent(runtimes []string) host.Socket {
	for _, s := range f.Host.Runtime.Sockets {
		if slices.Contains(runtimes, s.Runtime) {
			return s
		}
	}
	return host.Socket{}
}

func (f Facts) installed(name string) bool {
	return slices.ContainsFunc(f.Host.Programs, func(p hwdetect.Binary) bool { return filepath.Base(p.Path) == name })
}

const restartContainerd = "sudo systemctl restart containerd"

func runtimeAnswers(f Facts) []Finding {
	if f.Host.Stopped {
		return f.runtimeAtStart()
	}
	c := f.choose()
	switch {
	case len(c.rivals) > 0:
		return one(f.rivals(c.rivals))
	case c.socket.Answers:
		return fine("runtime", c.socket.Runtime+" answers at "+c.socket.Path)
	}
	found := Finding{ID: "runtime", Severity: Fail, Checks: []string{"CRI"}, Means: "kubeadm's preflight refuses " +
		"it: nothing would start containers"}
	if f.Resuming {
		// After a power cut it may still be on its way.
		found.Severity, found.Means = Warning, "nothing starts containers until it answers"
	}
	docker := slices.ContainsFunc(f.Host.Runtime.Sockets, func(s host.Socket) bool { return s.Runtime == "Docker" })
	switch {
	case c.socket.Path != "":
		found.doesNotAnswer(c.socket)
	case f.Ask.CRISocket != "" && socketPath(f.Ask.CRISocket) == dockershimSocket && f.Kubeadm.Has(kubeadm.Dockershim):
		found.Seen = "Docker does not run: there is no /run/docker.sock, which the kubelet's own " +
			dockershimSocket + " stands for"
		found.Fix = []string{"sudo systemctl enable --now docker"}
	case f.Ask.CRISocket != "":
		found.Seen = "there is no socket " + f.Ask.CRISocket
		found.Fix = []string{"ls -l /run/*/*.sock /run/*.sock    # which runtime is there? name its socket with " +
			"--cri-socket"}
		if socketPath(f.Ask.CRISocket) == dockershimSocket {
			found.Seen += ", and no kubelet makes it since v1.24"
			found.Fix = []string{"sudo apt install containerd    # and leave --cri-socket out; Docker itself needs " +
				"cri-dockerd"}
		}
	case docker && !f.installed("containerd") && !f.installed("crio"):
		found.Seen = "Docker runs, and nothing that this kubelet can talk to"
		found.Means = "since Kubernetes v1.24 the kubelet does not talk to Docker; the containerd that Docker " +
			"brought along will do"
		found.Fix = []string{"sudo apt install containerd"}
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
	return one(found)
}

// doesNotAnswer describes a socket that is there in vain.
func (found *Finding) doesNotAnswer(s host.Socket) {
	found.Seen = fmt.Sprintf("%s does not answer at %s: %s", s.Runtime, s.Path, s.Problem)
	unit := strings.ToLower(strings.ReplaceAll(s.Runtime, "CRI-O", "crio"))
	found.Fix = []string{"sudo systemctl restart " + unit + "; systemctl status " + unit, "journalctl -u " + unit +
		" | tail -20"}
	if strings.Contains(s.Problem, "permission denied") {
		found.Severity, found.Checks = Info, nil
		found.Means, found.Fix = "only root may ask it", []string{"sudo kubeadm-arm doctor"}
	}
}

// rivals is the finding that kubeadm cannot choose a runtime.
func (f Facts) rivals(all []host.Socket) Finding {
	var seen []string
	found := Finding{ID: "runtime", Severity: Fail, Rule: KubeadmRule}
	named := func(s host.Socket) string { return parts()[s.Runtime].socket }
	for _, s := range all {
		seen = append(seen, s.Runtime+" at "+s.Path)
		found.Fix = append(found.Fix, "nodeRegistration: {criSocket: "+named(s)+"}    # "+s.Runtime)
	}
	found.Seen = "more than one container runtime is there: " + strings.Join(seen, ", ")
	found.Means = `kubeadm takes none of them by itself and stops: "found multiple CRI endpoints on the host"`
	if f.Kubeadm.RuntimePolicy() != kubeadm.ExactlyOne {
		found.Means = `kubeadm takes none of them by itself and stops: "Found multiple CRI sockets"`
	}
	if f.Ask.ConfigFile == "" {
		found.Fix = []string{
			"kubeadm-arm init --cri-socket " + named(all[0]) + "    # " + all[0].Runtime,
			"kubeadm-arm init --cri-socket " + named(all[1]) + "    # or " + all[1].Runtime,
		}
		return found
	}
	found.Fix = append([]string{"# one of these lines into the InitConfiguration in " + f.Ask.ConfigFile + ":"},
		found.Fix...)
	return found
}

// uses reports whether a runtime is the one that counts here.
func (f Facts) uses(runtime string) bool {
	c := f.choose()
	if len(c.rivals) > 0 {
		return false // whichever the owner will take is judged then
	}
	if c.socket.Answers {
		return c.socket.Runtime == runtime
	}
	if c.socket.Path != "" {
		return c.socket.Runtime == runtime && f.hasRuntime(runtime)
	}
	will := f.toRun()
	return len(will) > 0 && will[0] == runtime && (len(will) == 1 || !f.Host.Stopped)
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
	if f.RuntimeVersion == "" || !f.uses("containerd") {
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
	found := Finding{ID: "runtime-version", Severity: Fail, Seen: "containerd " + f.RuntimeVersion,
		Checks: []string{"CRI"}}
	if !hasV1 {
		found.Means = "this kubelet speaks CRI v1 only, which containerd has since 1.6"
		found.Fix = []string{"sudo apt install -t bookworm-backports containerd    # or Debian 12's, or " +
			"containerd.io from download.docker.com"}
	} else {
		found.Means = "this kubelet speaks CRI v1alpha2 only, which containerd dropped in 2.0"
		found.Fix = []string{"# install containerd 1.6 or 1.7, or a Kubernetes from v1.23 on"}
	}
	return one(found)
}

func sandboxImage(f Facts) []Finding {
	image := f.Host.Runtime.Containerd.SandboxImage
	if !f.ImagesKnown || !f.uses("containerd") {
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
	found := Finding{ID: "sandbox-image", Severity: Info, Seen: image + " is not on the board", Means: "every pod " +
		"needs it; it is pulled with the first one"}
	if f.Host.Network.Known && !f.Host.Network.DefaultRoute {
		found.Severity = Warning
		found.Means = "every pod needs it, and without a network it cannot be pulled"
	}
	return one(found)
}
