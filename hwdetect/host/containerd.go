package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// ContainerdConfig is what counts in containerd's configuration: what the file
// /etc/containerd/config.toml and those that it imports come to.
type ContainerdConfig struct {
	// Path is empty when there is no such file: then containerd's defaults
	// hold.
	Path string `json:"path,omitempty"`
	// Problem says why a file cannot be read; containerd cannot either.
	Problem *FileProblem `json:"problem,omitempty"`
	// Files are Path and its imports, in the order in which they are read.
	Files []ContainerdFile `json:"files,omitempty"`
	// Marked are the files that begin with a byte order mark: containerd 1 reads over
	// it, containerd 2 does not start.
	Marked []string `json:"marked,omitempty"`
	// Root is where containerd keeps images and containers, empty when not set:
	// then it is /var/lib/containerd.
	Root string `json:"root,omitempty"`
	// DisabledIn are the files whose disabled_plugins name the CRI plugin, as
	// that of Docker's package containerd.io does.
	DisabledIn []string `json:"disabledIn,omitempty"`
	// Runtime is the one that pods get unless they ask for another: "runc" when
	// not set. RuntimeType is its runtime_type, empty when not set.
	// Described reports whether the files have a table for it. With Unnamed that is
	// default_runtime, which counts more than any name until containerd 2.
	Runtime     string `json:"runtime,omitempty"`
	RuntimeType string `json:"runtimeType,omitempty"`
	Described   bool   `json:"described,omitempty"`
	Unnamed     bool   `json:"unnamed,omitempty"`
	// SystemdCgroup is that of Runtime, "true" or "false"; empty when it is not
	// set, which means false.
	SystemdCgroup string `json:"systemdCgroup,omitempty"`
	// OldCgroup reports whether systemd_cgroup, the setting of containerd 1.2 for
	// all runtimes, is true.
	OldCgroup    bool   `json:"oldCgroup,omitempty"`
	SandboxImage string `json:"sandboxImage,omitempty"`
	Snapshotter  string `json:"snapshotter,omitempty"`
	// BinDirs are the folders with CNI plugins, and ConfDir that with network
	// configurations; containerd's defaults when not set.
	// BinDirsList is set when the former are set by bin_dirs, a list that
	// containerd has since 2.1, and not by bin_dir.
	BinDirs     []string `json:"binDirs,omitempty"`
	BinDirsList bool     `json:"binDirsList,omitempty"`
	ConfDir     string   `json:"confDir,omitempty"`
	// InternalLoopback is set when containerd does without the plugin loopback.
	InternalLoopback bool `json:"internalLoopback,omitempty"`
}

// HasDriver reports whether the default runtime takes its cgroup driver from containerd's
// configuration, as runc and what stands in for it do. Others, such as Kata's and
// gVisor's, have files of their own.
func (c ContainerdConfig) HasDriver() bool {
	return slices.Contains([]string{"", "io.containerd.runc.v1", "io.containerd.runc.v2",
		"io.containerd.runtime.v1.linux"}, c.RuntimeType)
}

// ContainerdFile is one file of the configuration.
type ContainerdFile struct {
	Path string `json:"path"`
	// Version is the file's own, or the main file's when it has none: 1 when
	// neither has.
	Version int `json:"version"`
	// CRI reports whether it has settings of the CRI plugin.
	CRI bool `json:"cri,omitempty"`

	doc    map[string]any
	marked bool
}

// Plugin is the name under which a file of this version has the CRI plugin's
// settings of pods: runtimes and networks.
func (f ContainerdFile) Plugin() string {
	switch {
	case f.Version <= 1:
		return "cri"
	case f.Version == 2:
		return "io.containerd.grpc.v1.cri"
	}
	return "io.containerd.cri.v1.runtime"
}

// imagesPlugin is [ContainerdFile.Plugin] for images, which got a plugin of
// their own in the third version.
func (f ContainerdFile) imagesPlugin() string {
	if f.Version <= 2 {
		return f.Plugin()
	}
	return "io.containerd.cri.v1.images"
}

// NamesCRI reports whether an entry of disabled_plugins is the CRI plugin.
func NamesCRI(plugin string) bool {
	return slices.Contains([]string{"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime",
		"io.containerd.cri.v1.images"}, plugin)
}

const containerdPath = "/etc/containerd/config.toml"

// containerdImports bounds how many files are read.
const containerdImports = 100

// readContainerdConfig reads the configuration with its imports, in the order
// and with the patterns of containerd's LoadConfig (cmd/containerd/server/config,
// resolveImports).
func readContainerdConfig(f files) ContainerdConfig {
	if !f.Exists(containerdPath) {
		return containerdDefaults()
	}
	var all []ContainerdFile
	pending, version := []string{containerdPath}, 0
	for len(pending) > 0 && len(all) < containerdImports {
		name := pending[0]
		pending = pending[1:]
		if slices.ContainsFunc(all, func(r ContainerdFile) bool { return r.Path == name }) {
			continue
		}
		if !f.Exists(name) {
			return ContainerdConfig{Path: containerdPath, Problem: &FileProblem{Path: containerdPath,
				Text: fmt.Sprintf("it imports %s, and there is no such file", name)}}
		}
		text, err := f.Root.Read(name, rootfs.MaxFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ContainerdConfig{Path: containerdPath, Problem: unreadable(name, err)}
		}
		read, imports, problem := parseContainerdFile(name, text, version)
		if problem != nil {
			return ContainerdConfig{Path: containerdPath, Problem: problem}
		}
		if len(all) == 0 {
			version = read.Version
		}
		all = append(all, read)
		for _, pattern := range imports {
			pending = append(pending, f.glob(name, pattern)...)
		}
	}
	c := mergeContainerd(all)
	c.Path = containerdPath
	return c
}

// glob finds the files that an import names.
func (f files) glob(parent, pattern string) []string {
	pattern = path.Clean(pattern)
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(parent), pattern)
	}
	if !strings.Contains(pattern, "*") {
		return []string{pattern}
	}
	var all []string
	for _, name := range f.Names(path.Dir(pattern)) {
		if ok, err := path.Match(path.Base(pattern), name); err == nil && ok {
			all = append(all, path.Join(path.Dir(pattern), name))
		}
	}
	return all
}

// unreadable is the problem of a file that is there.
func unreadable(name string, err error) *FileProblem {
	var refused *safefile.RefusedError
	var path *fs.PathError
	switch {
	case errors.As(err, &refused):
		return &FileProblem{Path: name, Text: "it " + refused.Why}
	case errors.Is(err, syscall.ELOOP):
		return &FileProblem{Path: name, Text: "its links lead in a circle", Fix: "ls -l " + name}
	case errors.As(err, &path):
		err = path.Err
	}
	return &FileProblem{Path: name, Text: err.Error()}
}

// parseContainerdFile reads one file (containerd-config.toml(5)); version is
// that of the main file, 0 for the main file itself.
func parseContainerdFile(name string, text []byte, version int) (ContainerdFile, []string, *FileProblem) {
	f := ContainerdFile{Path: name}
	text, f.marked = bytes.CutPrefix(text, []byte(byteOrderMark))
	if err := toml.Unmarshal(text, &f.doc); err != nil {
		return f, nil, tomlProblem(name, text, err)
	}
	f.Version = max(version, 1)
	if version == 0 && len(bytes.TrimSpace(text)) == 0 {
		f.Version = 2 // nothing has the names of the first version yet
	}
	if v, ok := f.doc["version"].(int64); ok && v > 0 {
		f.Version = int(v)
	}
	if err := f.refused(); err != nil {
		return f, nil, &FileProblem{Path: name, Text: err.Error()}
	}
	f.CRI = table(f.doc, "plugins", f.Plugin()) != nil
	return f, texts(f.doc["imports"]), nil
}

// refused says what containerd stops at in a file that is valid TOML (its LoadConfig,
// ValidateVersion and MigrateConfig): from the second version on plugins have long
// names. The CRI plugin's short name in disabled_plugins is left to DisabledIn.
func (f ContainerdFile) refused() error {
	for key, isKind := range map[string]func(any) bool{
		"version": func(v any) bool { _, ok := v.(int64); return ok },
		"root":    func(v any) bool { _, ok := v.(string); return ok },
		"plugins": func(v any) bool { _, ok := v.(map[string]any); return ok },
		"imports": isList, "disabled_plugins": isList, "required_plugins": isList,
	} {
		if v, there := f.doc[key]; there && !isKind(v) {
			return fmt.Errorf("%s has a value of the wrong kind", key)
		}
	}
	if f.Version < 2 {
		return nil
	}
	short := func(name string) bool {
		return !strings.HasPrefix(name, "io.containerd.") || strings.Count(name, ".") < 3
	}
	for _, name := range slices.Sorted(maps.Keys(table(f.doc, "plugins"))) {
		if strings.Count(name, ".") < 3 {
			return fmt.Errorf("plugins.%s: from version 2 on a plugin has its long name, such as %s", name, f.Plugin())
		}
	}
	for _, list := range []string{"disabled_plugins", "required_plugins"} {
		for _, name := range texts(f.doc[list]) {
			if short(name) && (list == "required_plugins" || !NamesCRI(name)) {
				return fmt.Errorf("%s: %q: from version 2 on a plugin has its long name, such as %s", list, name,
					f.Plugin())
			}
		}
	}
	return nil
}

func isList(v any) bool { _, ok := v.([]any); return ok }

// texts are the strings of a list.
func texts(list any) []string {
	items, _ := list.([]any)
	var all []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func containerdDefaults() ContainerdConfig {
	return ContainerdConfig{Runtime: "runc", BinDirs: []string{"/opt/cni/bin"}, ConfDir: "/etc/cni/net.d"}
}

// mergeContainerd says what files come to together. containerd 1 lets a later
// file's table of a plugin replace the whole of an earlier one, containerd 2,
// which alone knows version 3 of the file, merges them (mergeConfig).
func mergeContainerd(all []ContainerdFile) ContainerdConfig {
	c := containerdDefaults()
	c.Files = all
	merges := slices.ContainsFunc(all, func(f ContainerdFile) bool { return f.Version >= 3 })
	runtimes, unnamed := map[string]any{}, map[string]any{}
	for _, f := range all {
		if f.marked {
			c.Marked = append(c.Marked, f.Path)
		}
		if root, ok := f.doc["root"].(string); ok && root != "" {
			c.Root = root
		}
		if slices.ContainsFunc(texts(f.doc["disabled_plugins"]), NamesCRI) {
			c.DisabledIn = append(c.DisabledIn, f.Path)
		}
		plugin := table(f.doc, "plugins", f.Plugin())
		if plugin == nil {
			c.images(f)
			continue
		}
		if !merges {
			fresh := containerdDefaults()
			fresh.Files, fresh.DisabledIn, fresh.Marked = c.Files, c.DisabledIn, c.Marked
			c, runtimes, unnamed = fresh, map[string]any{}, map[string]any{}
		}
		if v, ok := plugin["systemd_cgroup"].(bool); ok {
			c.OldCgroup = v
		}
		if v, ok := table(plugin, "containerd")["default_runtime_name"].(string); ok && v != "" {
			c.Runtime = v
		}
		mergeTables(runtimes, table(plugin, "containerd", "runtimes"))
		mergeTables(unnamed, table(plugin, "containerd", "default_runtime"))
		c.network(table(plugin, "cni"))
		c.images(f)
	}
	used := table(runtimes, c.Runtime)
	if kind, _ := unnamed["runtime_type"].(string); kind != "" && !merges {
		used, c.Unnamed, c.Runtime = unnamed, true, "default"
	}
	c.Described = used != nil
	c.RuntimeType, _ = used["runtime_type"].(string)
	if v, ok := table(used, "options")["SystemdCgroup"].(bool); ok {
		c.SystemdCgroup = fmt.Sprint(v)
	}
	return c
}

func (c *ContainerdConfig) network(cni map[string]any) {
	if v, ok := cni["bin_dir"].(string); ok && v != "" {
		c.BinDirs, c.BinDirsList = []string{v}, false
	}
	if v := texts(cni["bin_dirs"]); len(v) > 0 {
		c.BinDirs, c.BinDirsList = v, true
	}
	if v, ok := cni["conf_dir"].(string); ok && v != "" {
		c.ConfDir = v
	}
	if v, ok := cni["use_internal_loopback"].(bool); ok {
		c.InternalLoopback = v
	}
}

func (c *ContainerdConfig) images(f ContainerdFile) {
	plugin := table(f.doc, "plugins", f.imagesPlugin())
	for _, v := range []any{plugin["sandbox_image"], table(plugin, "pinned_images")["sandbox"]} {
		if s, ok := v.(string); ok {
			c.SandboxImage = s
		}
	}
	for _, v := range []any{table(plugin, "containerd")["snapshotter"], plugin["snapshotter"]} {
		if s, ok := v.(string); ok {
			c.Snapshotter = s
		}
	}
}

// mergeTables lays one decoded table over another.
func mergeTables(into, from map[string]any) {
	for name, v := range from {
		old, is := into[name].(map[string]any)
		over, too := v.(map[string]any)
		if is && too {
			mergeTables(old, over)
			continue
		}
		if too {
			fresh := map[string]any{}
			mergeTables(fresh, over)
			v = fresh
		}
		into[name] = v
	}
}

// SetDumped takes what `containerd config dump` printed for what the files come
// to: containerd's own reading of them. The files stay, for they are what can be
// changed. A text that is no configuration changes nothing.
func (r *Runtime) SetDumped(text []byte) {
	f, _, problem := parseContainerdFile("", text, 0)
	if problem != nil || !f.CRI {
		return
	}
	d, c := mergeContainerd([]ContainerdFile{f}), r.Containerd
	d.Path, d.Problem, d.Files, d.DisabledIn, d.Marked = c.Path, c.Problem, c.Files, c.DisabledIn, c.Marked
	r.Containerd = d
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
