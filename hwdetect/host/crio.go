package host

import (
	"errors"
	"io/fs"

	"github.com/pelletier/go-toml/v2"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

// CRIOConfig is what counts in CRI-O's configuration.
type CRIOConfig struct {
	// Problem says why a file cannot be read; CRI-O cannot either.
	Problem *FileProblem `json:"problem,omitempty"`
	// CgroupManager is "systemd" or "cgroupfs", empty when it is not set, which means
	// systemd since CRI-O 1.18; SetIn is the file that sets it.
	CgroupManager string `json:"cgroupManager,omitempty"`
	SetIn         string `json:"setIn,omitempty"`
}

// CRIODropIns is the folder whose files CRI-O reads after /etc/crio/crio.conf, all of
// them, in the order of their names (crio.conf.d(5)).
const CRIODropIns = "/etc/crio/crio.conf.d"

func readCRIOConfig(f files) CRIOConfig {
	var c CRIOConfig
	paths := []string{"/etc/crio/crio.conf"}
	for _, name := range f.Names(CRIODropIns) {
		paths = append(paths, CRIODropIns+"/"+name)
	}
	for _, path := range paths {
		text, err := f.Root.Read(path, rootfs.MaxFile)
		if errors.Is(err, fs.ErrNotExist) || f.Folder(path) {
			continue
		} else if err != nil {
			c.Problem = unreadable(path, err)
			return c
		}
		manager, problem := parseCRIOFile(path, text)
		if problem != nil {
			c.Problem = problem
			return c
		}
		if manager != "" {
			c.CgroupManager, c.SetIn = manager, path
		}
	}
	return c
}

// parseCRIOFile finds the cgroup manager in one file (crio.conf(5)).
func parseCRIOFile(path string, text []byte) (string, *FileProblem) {
	var doc map[string]any
	if err := toml.Unmarshal(text, &doc); err != nil {
		return "", tomlProblem(path, text, err)
	}
	manager, _ := table(doc, "crio", "runtime")["cgroup_manager"].(string)
	return manager, nil
}
