package hwdetect

import "github.com/kubeadm-arm/kubeadm-arm/internal/linux"

// ProgramNames are the programs that a wrong build of stops Kubernetes, in the
// order in which they come into play.
func ProgramNames() []string {
	return []string{"kubeadm", "kubelet", "kubectl", "containerd", "runc", "containerd-shim-runc-v2", "dockerd", "docker", "crio", "etcd", "crictl"}
}

// ReadPrograms tells what the installed programs were built for. path has the
// form of $PATH and lies below root; named gives programs by name that are
// somewhere else. What is missing, or no ELF file such as a wrapper script, is
// left out.
func ReadPrograms(root, path string, named map[string]string) []Binary {
	f := filesOf(root)
	var all []Binary
	for _, name := range ProgramNames() {
		where := named[name]
		if where == "" {
			where = f.find(name, path)
		}
		if where == "" {
			continue
		}
		b, err := ReadBinary(f.at(where))
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
func Find(path, name string) string { return filesOf("/").find(name, path) }

// find is the first executable file of that name along path.
func (f files) find(name, path string) string {
	for where := range linux.Candidates(path, name) {
		if info, ok := f.stat(where); ok && linux.Executable(info) {
			return where
		}
	}
	return ""
}
