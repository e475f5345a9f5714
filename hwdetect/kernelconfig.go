package hwdetect

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
)

// KernelParts tells what the kernel can do.
type KernelParts struct {
	// ConfigFrom is the file that Config was read from, empty without one.
	ConfigFrom string `json:"configFrom,omitempty"`
	// Config holds CONFIG_ options by name without that prefix: "y" or "m".
	Config map[string]string `json:"-"`
	// Modules tells which of the modules asked for are there: loaded, built in
	// or to be loaded. ModulesTold is false when no list of loadable modules
	// could be read, so that a missing one proves nothing.
	Modules     map[string]bool `json:"-"`
	ModulesTold bool            `json:"modulesTold"`
	// FileSystems are those of /proc/filesystems.
	FileSystems []string `json:"-"`
}

// Lacks tells whether the kernel certainly has no such option: there is a
// configuration, and none of the names is set in it.
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

// LacksModule tells whether a module certainly can neither be loaded nor is
// built in.
func (k KernelParts) LacksModule(name string) bool { return k.ModulesTold && !k.Modules[name] }

// wantedModules are those that containers and kube-proxy want.
func wantedModules() []string {
	return []string{"overlay", "br_netfilter", "ip_tables", "nf_tables", "vxlan", "veth", "nf_conntrack", "nf_nat"}
}

func readKernelParts(f files, release string) KernelParts {
	k := KernelParts{Modules: map[string]bool{}}
	for _, line := range strings.Split(string(f.read("/proc/filesystems")), "\n") {
		if w := strings.Fields(line); len(w) > 0 {
			k.FileSystems = append(k.FileSystems, w[len(w)-1])
		}
	}
	if text, err := gunzip(f.read("/proc/config.gz")); err == nil {
		k.ConfigFrom, k.Config = "/proc/config.gz", parseKernelConfig(text)
	} else if path := "/boot/config-" + release; release != "" && f.exists(path) {
		k.ConfigFrom, k.Config = path, parseKernelConfig(f.read(path))
	}
	if len(k.Config) == 0 {
		k.ConfigFrom = ""
	}
	var dep, builtin []byte
	if release != "" && !strings.Contains(release, "/") {
		for _, base := range []string{"/lib/modules/", "/usr/lib/modules/"} {
			if dep == nil {
				dep = f.read(base + release + "/modules.dep")
				builtin = f.read(base + release + "/modules.builtin")
			}
		}
	}
	k.ModulesTold = len(dep) > 0 && len(dep) < maxFile
	loaded := f.read("/proc/modules")
	for _, m := range wantedModules() {
		k.Modules[m] = f.exists("/sys/module/"+m) || hasModule(dep, m) || hasModule(builtin, m) || hasLoaded(loaded, m) || slices.Contains(k.FileSystems, m)
	}
	return k
}

// hasModule looks for a module's file in modules.dep or modules.builtin
// (modules.dep(5)): kernel/fs/overlayfs/overlay.ko, perhaps compressed. Names
// mix hyphens and underscores.
func hasModule(list []byte, name string) bool {
	for _, n := range []string{name, strings.ReplaceAll(name, "_", "-")} {
		if bytes.Contains(list, []byte("/"+n+".ko")) {
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
	return io.ReadAll(io.LimitReader(r, maxFile))
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
