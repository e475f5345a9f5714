package doctor

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// A sysctlLine is a line that sets a kernel parameter (sysctl.d(5)).
type sysctlLine struct {
	file string
	// from and to bound the value in the file.
	from, to int
	value    string
}

// sysctlFiles are those of the owner in the order in which they count: by their
// names, and /etc/sysctl.conf last, as sysctl --system takes it.
func (f Facts) sysctlFiles() []string {
	var all []string
	for name, file := range f.Host.Texts {
		// One that is a link to another one is that one.
		if path.Dir(name) == "/etc/sysctl.d" && path.Ext(name) == ".conf" && file.Path == name {
			all = append(all, name)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(path.Base(a), path.Base(b)) })
	if _, there := f.Host.Texts["/etc/sysctl.conf"]; there {
		all = append(all, "/etc/sysctl.conf")
	}
	return all
}

// sysctlLines are the lines of a file that set a parameter: NAME = value, with
// slashes or dots, and perhaps a hyphen before it.
func sysctlLines(file, text, name string) []sysctlLine {
	var all []sysctlLine
	at := 0
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimPrefix(strings.TrimSpace(key), "-")
		if ok && strings.ReplaceAll(strings.TrimSpace(key), "/", ".") == name {
			trimmed := strings.TrimSpace(value)
			from := at + len(line) - len(strings.TrimLeft(value, " \t"))
			all = append(all, sysctlLine{file, from, from + len(trimmed), trimmed})
		}
		at += len(line)
	}
	return all
}

// setSysctl are the commands that set a parameter to 1, now and at each start: in
// the lines that set it otherwise, or in a line of its own.
func (f Facts) setSysctl(name string) []string {
	var all []string
	set := false
	for _, file := range f.sysctlFiles() {
		e := f.edit(f.Host.File(file))
		for _, l := range slices.Backward(sysctlLines(file, e.text, name)) {
			set = true
			if l.value != "1" {
				e.replace(l.from, l.to, "1")
			}
		}
		all = append(all, e.commands...)
	}
	if !set {
		e := f.edit(f.Host.File("/etc/sysctl.d/99-kubernetes.conf"))
		e.add(name + "=1")
		all = append(all, e.commands...)
	}
	if f.Under == "" {
		all = append(all, "sudo sysctl --system")
	}
	return all
}

// sysctlAtStart tells what a stopped system's files make of a parameter. Other
// programs may set it, so only what a file says is certain.
func (f Facts) sysctlAtStart(id, name string) []Finding {
	value, from := "", ""
	for _, file := range f.sysctlFiles() {
		for _, l := range sysctlLines(file, f.Host.Texts[file].Text, name) {
			value, from = l.value, file
		}
	}
	bridge := id == "bridge-netfilter"
	switch {
	case value == "1":
		return fine(id, name+" is 1 in "+from)
	case bridge && f.Kubeadm.Value(kubeadm.BridgeCheck) != "yes", value == "":
		return one(Finding{
			ID: id, Severity: Info, Brief: true, Seen: "no file sets " + name + " to 1",
			Means: "after the next start it is what other programs make it",
			Fix:   f.setSysctl(name),
		})
	}
	return one(Finding{
		ID: id, Severity: Fail, Seen: from + " sets " + name + " to " + value,
		Means: "kubeadm's preflight refuses it after the next start",
		Fix:   f.setSysctl(name),
	})
}

// loadModule are the commands that load a module, now and at each start
// (modules-load.d(5)).
func (f Facts) loadModule(name string) []string {
	const own = "/etc/modules-load.d/kubernetes.conf"
	listed := false
	for _, file := range slices.Sorted(maps.Keys(f.Host.Texts)) {
		if path.Dir(file) == "/etc/modules-load.d" || file == "/etc/modules" {
			for line := range strings.Lines(f.Host.Texts[file].Text) {
				listed = listed || strings.TrimSpace(line) == name
			}
		}
	}
	var all []string
	if !listed {
		e := f.edit(f.Host.File(own))
		e.add(name)
		all = e.commands
	}
	if f.Under == "" {
		all = append(all, "sudo modprobe "+name)
	}
	return all
}
