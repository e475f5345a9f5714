package host

import (
	"path"
	"slices"
	"strings"
)

// SysctlFile is what the files of sysctl.d(5) say about a setting.
type SysctlFile struct {
	// Path is the last file that sets it, whose value counts; empty when none
	// does.
	Path string
	// Line is the line as it stands there.
	Line string
	// Value is what it will be after the next start.
	Value string
}

// readSysctlFiles reads the settings that a start of the board makes: files of
// one name count once, the first folder wins, and all are read by name; procps
// reads /etc/sysctl.conf last of all (sysctl(8), --system).
func readSysctlFiles(f files, names []string) map[string]SysctlFile {
	paths := map[string]string{}
	for _, dir := range []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d",
		"/lib/sysctl.d"} {
		for _, name := range f.Names(dir) {
			if path.Ext(name) == ".conf" && paths[name] == "" {
				paths[name] = dir + "/" + name
			}
		}
	}
	var order []string
	for name := range paths {
		order = append(order, name)
	}
	slices.Sort(order)
	all := map[string]SysctlFile{}
	for _, name := range append(order, "") {
		file := paths[name]
		if name == "" {
			file = "/etc/sysctl.conf"
		}
		for _, line := range strings.Split(string(f.Read(file)), "\n") {
			key, value, ok := strings.Cut(line, "=")
			key = strings.ReplaceAll(strings.TrimLeft(strings.TrimSpace(key), "-"), "/", ".")
			if ok && slices.Contains(names, key) {
				all[key] = SysctlFile{file, strings.TrimRight(line, "\r"), strings.TrimSpace(value)}
			}
		}
	}
	return all
}
