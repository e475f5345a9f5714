package host

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

// KernelParts reports what the kernel can do.
type KernelParts struct {
	// ConfigFrom is the file that Config was read from, empty without one.
	ConfigFrom string `json:"configFrom,omitempty"`
	// Config holds CONFIG_ options by name without that prefix: "y" or "m".
	Config map[string]string `json:"-"`
	// Modules reports which of the modules asked for are there: loaded, built in
	// or to be loaded. ModulesKnown is false when no list of loadable modules
	// could be read, so that a missing one proves nothing.
	Modules      map[string]bool `json:"-"`
	ModulesKnown bool            `json:"modulesKnown"`
	// FileSystems are those of /proc/filesystems.
	FileSystems []string `json:"-"`
	// Installed are the kernels that have a folder of modules.
	Installed []string `json:"installed,omitempty"`
	// Release is the kernel that the rest is about: the running one, or the only one
	// that a stopped system has. Replaced is set when it runs and its folder of
	// modules is gone while others' are there: an upgrade took it away.
	Release  string `json:"release,omitempty"`
	Replaced bool   `json:"replaced,omitempty"`
	// Modular is set when some module is loaded.
	Modular bool `json:"-"`
	// PageSize is in bytes, 0 when it is not known.
	PageSize int `json:"pageSize,omitempty"`
}

// Lacks reports whether the kernel certainly has no such option: there is a
// configuration, and none of the names is set in it. An option that is a module
// (=m) is there only together with the module's file: see [KernelParts.LacksModule].
func (k KernelParts) Lacks(options ...string) bool {
	if k.ConfigFrom == "" {
		return false
	}
	for _, o := range options {
		if k.Config[o] != "" {
			return false
		}
	}
	return true
}

// LacksModule reports whether a module certainly can neither be loaded nor is
// built in.
func (k KernelParts) LacksModule(name string) bool { return k.ModulesKnown && !k.Modules[name] }

// wantedModules are those that containers and kube-proxy want.
func wantedModules() []string {
	return []string{"overlay", "br_netfilter", "ip_tables", "nf_tables", "vxlan", "veth", "nf_conntrack", "nf_nat"}
}

func readKernelParts(f files, release string) KernelParts {
	k := KernelParts{Modules: map[string]bool{}}
	for _, base := range moduleFolders() {
		for _, name := range f.Names(base) {
			if info, ok := f.Stat(base + name); ok && info.IsDir() && !slices.Contains(k.Installed, name) {
				k.Installed = append(k.Installed, name)
			}
		}
	}
	k.Replaced = release != "" && len(k.Installed) > 0 && !slices.Contains(k.Installed, release)
	if f.Stopped && len(k.Installed) == 1 {
		release = k.Installed[0]
	}
	k.Release = release
	for _, line := range strings.Split(string(f.Read("/proc/filesystems")), "\n") {
		if w := strings.Fields(line); len(w) > 0 {
			k.FileSystems = append(k.FileSystems, w[len(w)-1])
		}
	}
	if text, err := gunzip(f.Read("/proc/config.gz")); err == nil {
		k.ConfigFrom, k.Config = "/proc/config.gz", parseKernelConfig(text)
	} else if release != "" {
		for _, path := range []string{"/boot/config-" + release, "/lib/modules/" + release + "/config",
			"/usr/lib/modules/" + release + "/config"} {
			if k.ConfigFrom == "" && f.Exists(path) {
				k.ConfigFrom, k.Config = path, parseKernelConfig(f.Read(path))
			}
		}
	}
	if len(k.Config) == 0 {
		k.ConfigFrom = ""
	}
	var dep, builtin []byte
	if release != "" && !strings.Contains(release, "/") {
		for _, base := range moduleFolders() {
			if dep == nil {
				dep = f.Read(base + release + "/modules.dep")
				builtin = f.Read(base + release + "/modules.builtin")
			}
		}
	}
	k.ModulesKnown = len(dep) > 0 && len(dep) < rootfs.MaxFile
	k.PageSize = readPageSize(f, k)
	loaded := f.Read("/proc/modules")
	k.Modular = len(loaded) > 0
	for _, m := range wantedModules() {
		k.Modules[m] = f.Exists("/sys/module/"+m) || hasModule(dep, m) || hasModule(builtin, m) || hasLoaded(loaded,
			m) || slices.Contains(k.FileSystems, m)
	}
	return k
}

func moduleFolders() []string { return []string{"/lib/modules/", "/usr/lib/modules/"} }

// readPageSize is the running kernel's (getpagesize(2)), or what the kernel's
// configuration or its name tells: 4 KiB but for a few builds for 64-bit ARM.
func readPageSize(f files, k KernelParts) int {
	if f.Root == "/" {
		return os.Getpagesize()
	}
	for _, size := range []struct {
		option string
		bytes  int
	}{{"ARM64_4K_PAGES", 4 << 10}, {"ARM64_16K_PAGES", 16 << 10}, {"ARM64_64K_PAGES", 64 << 10}} {
		if k.Config[size.option] == "y" {
			return size.bytes
		}
	}
	for _, part := range strings.FieldsFunc(k.Release, func(r rune) bool { return r == '-' || r == '+' }) {
		switch part {
		case "16k", "2712": // Debian, Asahi; the Raspberry Pi 5's own kernel
			return 16 << 10
		case "64k":
			return 64 << 10
		}
	}
	return 0
}

// hasModule looks for a module's own line in modules.dep or modules.builtin
// (modules.dep(5)): kernel/fs/overlayfs/overlay.ko, perhaps compressed; what comes
// after a colon are the modules that it needs. Names mix hyphens and underscores.
func hasModule(list []byte, name string) bool {
	for line := range bytes.Lines(list) {
		file, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte{':'})
		file = file[bytes.LastIndexByte(file, '/')+1:]
		own, _, ok := bytes.Cut(file, []byte(".ko"))
		if ok && string(bytes.ReplaceAll(own, []byte{'-'}, []byte{'_'})) == name {
			return true
		}
	}
	return false
}

// hasLoaded looks for a module in /proc/modules, where each line begins with a
// name and a blank.
func hasLoaded(text []byte, name string) bool {
	return bytes.HasPrefix(text, []byte(name+" ")) || bytes.Contains(text, []byte("\n"+name+" "))
}

func gunzip(text []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, rootfs.MaxFile))
}

// parseKernelConfig reads a kernel's .config: CONFIG_X=y and CONFIG_X=m; others
// are not of interest here, "# CONFIG_X is not set" least of all.
func parseKernelConfig(text []byte) map[string]string {
	all := map[string]string{}
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		rest, ok := bytes.CutPrefix(line, []byte("CONFIG_"))
		if !ok {
			continue
		}
		name, value, ok := bytes.Cut(rest, []byte{'='})
		if ok && len(value) == 1 && (value[0] == 'y' || value[0] == 'm') {
			all[string(name)] = string(value)
		}
	}
	return all
}
