package host

import (
	"encoding/json"
	"path"
	"slices"
)

// CNI is the pod network's part on the board.
type CNI struct {
	// Config is the network configuration that counts: the first one by name.
	Config string `json:"config,omitempty"`
	// Problem says why it cannot be read.
	Problem *FileProblem `json:"problem,omitempty"`
	// Plugins are those that it names, each once.
	Plugins []string `json:"plugins,omitempty"`
	// Where reports in which folders a plugin is, by its name.
	Where map[string][]string `json:"-"`
}

// pluginFolders are those that packages put CNI plugins into: Kubernetes' own
// package, Debian's, Fedora's, Arch's and k3s.
func pluginFolders() []string {
	return []string{"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni", "/usr/local/lib/cni",
		"/var/lib/rancher/k3s/data/current/bin"}
}

// readCNI reads the network configuration in a folder as containerd's go-cni
// does: of all files the first by name (libcni, ConfFiles), and where the
// plugins are: in the folders that are configured, and in those of packages.
func readCNI(f files, folder string, binDirs []string) CNI {
	c := CNI{Where: map[string][]string{}}
	names := f.Names(folder)
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains([]string{".conf", ".conflist", ".json"}, path.Ext(name)) {
			c.Config = path.Join(folder, name)
			text := f.Read(c.Config)
			if err := c.parse(text); err != nil {
				c.Problem = jsonProblem(c.Config, text, err)
			}
			break
		}
	}
	for _, dir := range append(slices.Clone(binDirs), pluginFolders()...) {
		for _, name := range f.Names(dir) {
			if !slices.Contains(c.Where[name], dir) {
				c.Where[name] = append(c.Where[name], dir)
			}
		}
	}
	return c
}

// parse reads a network configuration, a single plugin's or a list (CNI's
// SPEC.md, section 1).
func (c *CNI) parse(text []byte) error {
	type plugin struct {
		Type string `json:"type"`
		IPAM struct {
			Type string `json:"type"`
		} `json:"ipam"`
	}
	var doc struct {
		plugin
		Plugins []plugin `json:"plugins"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	for _, p := range append(doc.Plugins, doc.plugin) {
		for _, name := range []string{p.Type, p.IPAM.Type} {
			if name != "" && !slices.Contains(c.Plugins, name) {
				c.Plugins = append(c.Plugins, name)
			}
		}
	}
	return nil
}
