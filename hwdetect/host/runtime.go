package host

import (
	"errors"
	"net"
	"os"
	"strings"
	"time"
)

// Runtime is the container runtime, as far as files and sockets show it.
type Runtime struct {
	Sockets []Socket `json:"sockets,omitempty"`
	// Containerd, CRIO and Docker are their configurations.
	Containerd ContainerdConfig `json:"containerd"`
	CRIO       CRIOConfig       `json:"crio"`
	Docker     DockerConfig     `json:"docker"`
	// CNI is the pod network, as containerd is configured for it.
	CNI CNI `json:"cni"`
}

// Socket is where a container runtime may answer.
type Socket struct {
	Path string `json:"path"`
	// Runtime is "containerd", "CRI-O", "cri-dockerd" or "Docker".
	Runtime string `json:"runtime"`
	// Answers reports whether something accepts a connection there.
	Answers bool `json:"answers"`
	// Problem is why not.
	Problem string `json:"problem,omitempty"`
}

// NoSocket is a Socket's problem when something else has its name.
const NoSocket = "it is no socket"

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
	r := Runtime{Containerd: readContainerdConfig(f), CRIO: readCRIOConfig(f), Docker: readDockerConfig(f)}
	r.CNI = readCNI(f, r.Containerd.ConfDir, r.Containerd.BinDirs)
	all := runtimeSockets()
	if asked != "" {
		all = append(all, Socket{Path: asked, Runtime: "the runtime named"})
	}
	for _, s := range all {
		info, ok := f.Stat(s.Path)
		if !ok {
			continue
		}
		if info.Mode()&os.ModeSocket == 0 {
			s.Problem = NoSocket
		} else if c, err := net.DialTimeout("unix", f.At(s.Path), connectPatience); err == nil {
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
