package doctor

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
)

// memoryOn are the parameters that switch the memory cgroup on: the first is
// the kernel's own, the second the Raspberry Pi kernel's since 4.19.
const memoryOn = "cgroup_enable=memory cgroup_memory=1"

// unified makes systemd boot with cgroup v2 (systemd(1)).
const unified = "systemd.unified_cgroup_hierarchy=1"

// contradicts returns what is to stand in the place of a parameter that says the
// opposite of one that is wanted.
func contradicts(word, wanted string) (instead string, yes bool) {
	name, value, _ := strings.Cut(word, "=")
	switch wanted {
	case "cgroup_enable=memory":
		if name != "cgroup_disable" {
			return word, false
		}
		rest := slices.DeleteFunc(strings.Split(value, ","), func(c string) bool { return c == "memory" })
		if len(rest) == 0 {
			return "", true
		}
		instead = name + "=" + strings.Join(rest, ",")
		return instead, instead != word
	case "cgroup_memory=1":
		return "", word == "cgroup_memory=0"
	}
	want, _, _ := strings.Cut(wanted, "=")
	return wanted, name == want && word != wanted && strings.HasPrefix(name, "systemd.")
}

// bootChange is what has to be done to have parameters in the kernel's command line.
type bootChange struct {
	// lines are the commands; none when all is in the file already.
	lines []string
	// file is the one that was looked at, nil without one.
	file *hwdetect.BootFile
}

func (f Facts) changeBoot(params string) bootChange {
	b := f.Host.BootFile
	c := bootChange{file: b}
	if b == nil {
		c.lines = []string{"# add to the kernel's command line, wherever this board's boot loader keeps it: " + params}
		return c
	}
	e := f.edit(hwdetect.TextFile{Path: b.Path, Text: b.Text})
	for _, wanted := range strings.Fields(params) {
		for _, word := range b.Words() {
			if instead, yes := contradicts(word, wanted); yes {
				e.exchangeWord(b.Kind, word, instead)
			}
		}
	}
	s := b.Again(e.text)
	missing := slices.DeleteFunc(strings.Fields(params), func(p string) bool { return slices.Contains(s.Words, p) })
	if len(missing) > 0 {
		e.replace(s.At, s.At, s.Before+strings.Join(missing, " ")+s.After)
	}
	if c.lines = e.commands; len(c.lines) > 0 && b.Generator != "" {
		if f.Under == "" {
			c.lines = append(c.lines, "sudo "+b.Generator)
		} else {
			c.lines = append(c.lines, "# and on the board, before it counts: sudo "+b.Generator)
		}
	}
	if b.Rival != "" {
		c.lines = append(c.lines, "# if /proc/cmdline is still without it after that, it is "+b.Rival+" that this board boots with: add the same there")
	}
	return c
}

// exchangeWord replaces a parameter wherever it stands in the file's value, and a
// blank beside it where nothing takes its place.
func (e *edit) exchangeWord(kind hwdetect.BootKind, word, instead string) {
	for at := 0; ; {
		n := strings.Index(e.text[at:], word)
		if n < 0 {
			return
		}
		from, to := at+n, at+n+len(word)
		at = to
		if !e.isWord(from, to) || !e.counts(kind, from) {
			continue
		}
		if instead == "" {
			if to < len(e.text) && e.text[to] == ' ' {
				to++
			} else if from > 0 && e.text[from-1] == ' ' {
				from--
			}
		}
		e.replace(from, to, instead)
		at = from + len(instead)
	}
}

// isWord tells whether bytes are a word of their own.
func (e *edit) isWord(from, to int) bool {
	const ends = " \t\r\n\"'="
	return (from == 0 || strings.IndexByte(ends, e.text[from-1]) >= 0) && (to == len(e.text) || strings.IndexByte(ends, e.text[to]) >= 0)
}

// counts tells whether a place is part of the parameters that are used, and not of a
// comment or another label.
func (e *edit) counts(kind hwdetect.BootKind, at int) bool {
	switch kind {
	case hwdetect.BootGRUB, hwdetect.BootIni, hwdetect.BootEntry:
		line := e.text[strings.LastIndexByte(e.text[:at], '\n')+1:]
		return !strings.HasPrefix(strings.TrimLeft(line, " \t"), "#")
	}
	s := hwdetect.BootFile{Kind: kind}.Again(e.text)
	return s.From <= at && at <= s.To
}

// bootLines are the commands that add parameters to the kernel's command line in
// the board's own boot file, and start it with them.
func (f Facts) bootLines(params string) []string {
	c := f.changeBoot(params)
	if f.Under != "" {
		return c.lines
	}
	return append(c.lines, "sudo reboot")
}

// memoryCgroupOff is the finding of a board that runs without it.
func (f Facts) memoryCgroupOff() Finding {
	found := Finding{
		ID: "memory-cgroup", Severity: Fail, Seen: "the memory cgroup is off", Checks: []string{"memory-cgroup", systemCheck},
		Means: "the kubelet does not start without it; Raspberry Pi OS and others leave it off",
		Fix:   f.bootLines(memoryOn),
	}
	if slices.Contains(f.Host.Cmdline, "cgroup_disable=memory") {
		found.Seen += ": cgroup_disable=memory in /proc/cmdline"
	}
	c := f.changeBoot(memoryOn)
	started := !slices.ContainsFunc(strings.Fields(memoryOn), func(p string) bool { return !slices.Contains(f.Host.Cmdline, p) })
	switch {
	case started:
		found.Means = "the kernel was started with " + memoryOn + " and has no memory cgroup all the same: it was built without CONFIG_MEMCG, and the kubelet does not start"
		found.Fix = anotherKernel()
	case c.file != nil && len(c.file.Words()) > 0 && !slices.ContainsFunc(c.lines, func(l string) bool { return !strings.HasPrefix(l, "#") }):
		found.Means = c.file.Path + " has the parameters already, and the running kernel was started without them: restart the board. If they are not in /proc/cmdline then, it is not the file that this board boots with"
		found.Fix = append(found.Fix, "cat /proc/cmdline    # after the restart")
	}
	return found
}

// memoryCgroupAtStart tells what a stopped system's boot file makes of the memory
// cgroup.
func (f Facts) memoryCgroupAtStart() []Finding {
	b := f.Host.BootFile
	if b == nil {
		return nil
	}
	found := Finding{
		ID: "memory-cgroup", Severity: Fail, Checks: []string{"memory-cgroup", systemCheck},
		Means: "the kubelet does not start without it",
		Fix:   f.bootLines(memoryOn),
	}
	off := slices.ContainsFunc(b.Words(), func(w string) bool { _, yes := contradicts(w, "cgroup_enable=memory"); return yes })
	on := slices.Contains(b.Words(), "cgroup_enable=memory") || slices.Contains(b.Words(), "cgroup_memory=1")
	switch {
	case off:
		found.Seen = "the memory cgroup will be off at the next start: " + b.Path + " says cgroup_disable=memory"
	case !on && b.Kind == hwdetect.BootCmdline && b.Generator == "" && f.raspberryKernel():
		found.Seen = "the memory cgroup will be off at the next start: " + b.Path + " does not switch it on"
		found.Means = "the Raspberry Pi's kernels leave it off, and the kubelet does not start without it"
	default:
		return fine("memory-cgroup", b.Path+" leaves the memory cgroup on")
	}
	return one(found)
}

// raspberryKernel tells whether a stopped system has a kernel of Raspberry Pi's own
// or of Ubuntu for it, or an unknown one: those have the memory cgroup off.
func (f Facts) raspberryKernel() bool {
	own := func(release string) bool {
		return strings.Contains(release, "rpi") || strings.Contains(release, "raspi") || strings.HasSuffix(release, "+")
	}
	return len(f.Host.Kernel.Installed) == 0 || slices.ContainsFunc(f.Host.Kernel.Installed, own)
}

// piKernel8 makes a Raspberry Pi 5 boot the kernel with 4 KiB pages: kernel8.img
// (Raspberry Pi documentation, config.txt, kernel).
func (f Facts) piKernel8() []string {
	const path = "/boot/firmware/config.txt"
	file, there := f.Host.Texts[path]
	if !there {
		return []string{"# add to config.txt on the boot partition, below [all]: kernel=kernel8.img"}
	}
	e := f.edit(file)
	e.add("[all]")
	e.add("kernel=kernel8.img")
	return e.commands
}
