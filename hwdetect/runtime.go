package hwdetect

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Runtime is the container runtime, as far as files and sockets tell.
type Runtime struct {
	Sockets []Socket `json:"sockets,omitempty"`
	// Containerd is its configuration.
	Containerd ContainerdConfig `json:"containerd"`
}

// Socket is where a container runtime may answer.
type Socket struct {
	Path string `json:"path"`
	// Runtime is "containerd", "CRI-O", "cri-dockerd" or "Docker".
	Runtime string `json:"runtime"`
	// Answers tells whether something accepts a connection there.
	Answers bool `json:"answers"`
	// Problem is why not.
	Problem string `json:"problem,omitempty"`
}

// runtimeSockets are those that kubeadm looks for (constants_unix.go), Docker's
// own last: only kubelets up to v1.23 talk to it.
func runtimeSockets() []Socket {
	return []Socket{
		{Path: "/run/containerd/containerd.sock", Runtime: "containerd"},
		{Path: "/run/crio/crio.sock", Runtime: "CRI-O"},
		{Path: "/run/cri-dockerd.sock", Runtime: "cri-dockerd"},
		{Path: "/run/docker.sock", Runtime: "Docker"},
	}
}

// connectPatience bounds a connect to a socket of this machine: a server whose
// queue is full makes it wait.
const connectPatience = 3 * time.Second

// readRuntime looks for sockets; asked is one that the owner named, as a path.
func readRuntime(f files, asked string) Runtime {
	r := Runtime{Containerd: readContainerdConfig(f)}
	all := runtimeSockets()
	if asked != "" {
		all = append(all, Socket{Path: asked, Runtime: "the runtime named"})
	}
	for _, s := range all {
		info, ok := f.stat(s.Path)
		if !ok {
			continue
		}
		if info.Mode()&os.ModeSocket == 0 {
			s.Problem = "it is no socket"
		} else if c, err := net.DialTimeout("unix", f.at(s.Path), connectPatience); err == nil {
			s.Answers = true
			_ = c.Close()
		} else {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			s.Problem = strings.TrimPrefix(err.Error(), "connect: ")
		}
		r.Sockets = append(r.Sockets, s)
	}
	return r
}

// ContainerdConfig is what counts in /etc/containerd/config.toml.
type ContainerdConfig struct {
	// Path is empty when there is no such file: then containerd's defaults
	// hold.
	Path string `json:"path,omitempty"`
	// Problem says why the file cannot be read; containerd cannot either.
	Problem string `json:"problem,omitempty"`
	// CRIDisabled is set when disabled_plugins names the CRI plugin, as in the
	// file of Docker's package containerd.io.
	CRIDisabled bool `json:"criDisabled,omitempty"`
	// SystemdCgroup is "true" or "false"; empty when it is not set, which means
	// false.
	SystemdCgroup string `json:"systemdCgroup,omitempty"`
	SandboxImage  string `json:"sandboxImage,omitempty"`
	Snapshotter   string `json:"snapshotter,omitempty"`
}

func readContainerdConfig(f files) ContainerdConfig {
	const path = "/etc/containerd/config.toml"
	if !f.exists(path) {
		return ContainerdConfig{}
	}
	c := parseContainerdConfig(f.read(path))
	c.Path = path
	return c
}

// parseContainerdConfig reads config.toml (containerd-config.toml(5)). The tables
// differ between versions of the file: the CRI plugin is plugins.cri in the
// first, plugins."io.containerd.grpc.v1.cri" in the second,
// plugins."io.containerd.cri.v1.runtime" and ….images in the third.
func parseContainerdConfig(text []byte) ContainerdConfig {
	var c ContainerdConfig
	var doc map[string]any
	if err := toml.Unmarshal(text, &doc); err != nil {
		var bad toml.ParseError
		if errors.As(err, &bad) {
			c.Problem = fmt.Sprintf("line %d: %s", bad.Position.Line, bad.Message)
		} else {
			c.Problem = err.Error()
		}
		return c
	}
	if list, ok := doc["disabled_plugins"].([]any); ok {
		for _, p := range list {
			switch p {
			case "cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images":
				c.CRIDisabled = true
			}
		}
	}
	for _, name := range []string{"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"} {
		plugin := table(doc, "plugins", name)
		if plugin == nil {
			continue
		}
		if v, ok := table(plugin, "containerd", "runtimes", "runc", "options")["SystemdCgroup"].(bool); ok {
			c.SystemdCgroup = fmt.Sprint(v)
		}
		if v, ok := plugin["systemd_cgroup"].(bool); ok && v {
			c.SystemdCgroup = "true" // the first version's
		}
		if v, ok := plugin["sandbox_image"].(string); ok {
			c.SandboxImage = v
		}
		if v, ok := table(plugin, "pinned_images")["sandbox"].(string); ok {
			c.SandboxImage = v
		}
		if v, ok := table(plugin, "containerd")["snapshotter"].(string); ok {
			c.Snapshotter = v
		}
		if v, ok := plugin["snapshotter"].(string); ok {
			c.Snapshotter = v
		}
	}
	return c
}

// table walks down a TOML document; nil when there is no such table.
func table(doc map[string]any, path ...string) map[string]any {
	for _, name := range path {
		next, ok := doc[name].(map[string]any)
		if !ok {
			return nil
		}
		doc = next
	}
	return doc
}
