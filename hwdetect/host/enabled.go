package host

import (
	"path/filepath"
	"slices"
	"strings"
)

// An enabledUnit is one that is started with the system.
type enabledUnit struct {
	name, path string
	// static is set when it is enabled by a link that a package brought, which
	// systemctl disable leaves.
	static bool
}

// unitPath is the file of a unit, the template's for an instance; empty without one
// or when it is masked.
func (f files) unitPath(name string) string {
	names := []string{name}
	if at := strings.IndexByte(name, '@'); at >= 0 {
		names = append(names, name[:at+1]+filepath.Ext(name))
	}
	for _, n := range names {
		for _, dir := range unitFolders() {
			path := dir + "/" + n
			if !f.Exists(path) {
				continue
			}
			if f.masked(path) {
				return ""
			}
			return path
		}
	}
	return ""
}

// masked reports whether a name is switched off: a link to /dev/null, or an empty
// file of the owner's.
func (f files) masked(path string) bool {
	if to := f.Link(path); to != "" {
		return filepath.Clean(to) == "/dev/null" || f.Real(path) == "/dev/null"
	}
	info, ok := f.Stat(path)
	return ok && info.Mode().IsRegular() && info.Size() == 0 && strings.HasPrefix(path, "/etc/")
}

// enabledUnits are those that a target, or another unit that is started, wants or
// requires: by links in NAME.wants and NAME.requires.
func enabledUnits(f files) []enabledUnit {
	var all []enabledUnit
	seen := map[string]bool{}
	for _, dir := range unitFolders() {
		for _, folder := range f.Names(dir) {
			if ext := filepath.Ext(folder); ext != ".wants" && ext != ".requires" {
				continue
			}
			for _, name := range f.Names(dir + "/" + folder) {
				link := dir + "/" + folder + "/" + name
				// A link to /dev/null in /etc takes a package's away.
				if key := folder + "/" + name; seen[key] || f.masked(link) {
					seen[key] = true
					continue
				}
				seen[folder+"/"+name] = true
				path := f.unitPath(name)
				if path == "" && f.Link(link) != "" && !f.hasUnit(name) {
					path = f.Real(link) // a file elsewhere, linked
				}
				if path == "" || slices.ContainsFunc(all, func(u enabledUnit) bool { return u.name == name }) {
					continue
				}
				all = append(all, enabledUnit{name, path, !strings.HasPrefix(dir, "/etc/")})
			}
		}
	}
	return all
}

// hasUnit reports whether there is a file of a unit's name, masked or not.
func (f files) hasUnit(name string) bool {
	return slices.ContainsFunc(unitFolders(), func(dir string) bool { return f.Exists(dir + "/" + name) })
}

// enabled reports whether a unit is started with the system.
func (f files) enabled(name string) bool {
	return slices.ContainsFunc(enabledUnits(f), func(u enabledUnit) bool { return u.name == name }) ||
		slices.Contains(sysvEnabled(f), strings.TrimSuffix(name, ".service"))
}

// generator is the file of a generator, empty without one or when a file of the
// same name in a folder that counts more masks it (systemd.generator(7)).
func (f files) generator(name string) string {
	for _, dir := range []string{"/run", "/etc", "/usr/local/lib", "/usr/lib", "/lib"} {
		path := dir + "/systemd/system-generators/" + name
		if f.Exists(path) {
			if f.masked(path) {
				return ""
			}
			return path
		}
	}
	return ""
}

// sysvEnabled are the scripts of /etc/init.d that are started and have no unit of
// their own (systemd-sysv-generator(8)).
func sysvEnabled(f files) []string {
	var all []string
	for _, level := range []string{"2", "3", "4", "5", "S"} {
		for _, link := range f.Names("/etc/rc" + level + ".d") {
			if len(link) < 4 || link[0] != 'S' || !isNumber(link[1:3]) {
				continue
			}
			name := link[3:]
			if f.Exists("/etc/init.d/"+name) && !f.hasUnit(name+".service") && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// A configText is one of several files that make one configuration.
type configText struct{ path, text string }

// configTexts are the files of a configuration below etc: the first main file of
// /etc, /run, /usr/local/lib and /usr/lib, then those of NAME.d, of which one in a
// folder that counts more hides one of the same name (systemd.syntax(7)).
func configTexts(f files, name string) []configText {
	var all []configText
	folders := []string{"/etc/", "/run/", "/usr/local/lib/", "/usr/lib/"}
	for _, dir := range folders {
		if f.Exists(dir + name) {
			all = append(all, configText{dir + name, string(f.Read(dir + name))})
			break
		}
	}
	parts := map[string]string{}
	var names []string
	for _, dir := range folders {
		for _, part := range f.Names(dir + name + ".d") {
			if filepath.Ext(part) == filepath.Ext(name) && parts[part] == "" {
				parts[part] = dir + name + ".d/" + part
				names = append(names, part)
			}
		}
	}
	slices.Sort(names)
	for _, part := range names {
		all = append(all, configText{parts[part], string(f.Read(parts[part]))})
	}
	return all
}

// settingOf is the last value of a key; an empty one takes back those before.
func settingOf(all []setting, key string) string {
	if values := settingsOf(all, key); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// settingsOf are the values of a key that count.
func settingsOf(all []setting, key string) []string {
	var values []string
	for _, s := range all {
		switch {
		case s.key != key:
		case s.value == "":
			values = nil
		default:
			values = append(values, s.value)
		}
	}
	return values
}

// UnitState is how a unit stands.
type UnitState string

// The states. A unit without an [Install] section is neither enabled nor disabled:
// nothing in it says what starts it.
const (
	UnitEnabled  UnitState = "enabled"
	UnitDisabled UnitState = "disabled"
	UnitMasked   UnitState = "masked"
)

// readServices looks at the units that a node needs.
func readServices(f files) map[string]UnitState {
	all := map[string]UnitState{}
	for _, service := range []string{"containerd", "crio", "docker", "cri-docker", "kubelet"} {
		name := service + ".service"
		switch {
		case !f.hasUnit(name):
		case f.unitPath(name) == "":
			all[name] = UnitMasked
		case f.enabled(name):
			all[name] = UnitEnabled
		case settingOf(readUnit(f, name).settings, "WantedBy") != "":
			all[name] = UnitDisabled
		}
	}
	return all
}
