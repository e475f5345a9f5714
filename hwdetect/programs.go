package hwdetect

import (
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// ProgramNames are the programs that a wrong build of stops Kubernetes, in the
// order in which they come into play.
func ProgramNames() []string {
	return []string{"kubeadm", "kubelet", "kubectl", "containerd", "runc", "containerd-shim-runc-v2", "dockerd", "docker",
		"crio", "etcd", "crictl"}
}

// ReadPrograms reports what the installed programs were built for. path has the
// form of $PATH and lies below root; named gives programs by name that are
// somewhere else. What is missing, or no ELF file such as a wrapper script, is
// left out.
func ReadPrograms(root, path string, named map[string]string) []Binary {
	f := rootfs.Of(root)
	var all []Binary
	for _, name := range ProgramNames() {
		where := named[name]
		if where == "" {
			where = find(f, name, path)
		}
		if where == "" {
			continue
		}
		b, err := ReadBinary(f.At(where))
		if err != nil {
			continue
		}
		b.Path = where
		all = append(all, b)
	}
	return all
}

// Find is the first executable file of that name along path, a list in the form
// of $PATH; empty without one.
func Find(path, name string) string { return find(rootfs.Of("/"), name, path) }

// find is the first executable file of that name along path.
func find(f rootfs.FS, name, path string) string {
	for where := range linux.Candidates(path, name) {
		if info, ok := f.Stat(where); ok && linux.Executable(info) {
			return where
		}
	}
	return ""
}
