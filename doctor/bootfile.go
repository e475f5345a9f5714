package doctor

import (
	"errors"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
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

// bootWords adds parameters to the kernel's command line in a boot file, and takes out
// what contradicts them.
type bootWords struct {
	Kind  host.BootKind
	Words string
}

func (c bootWords) String() string { return "add " + c.Words }

func (c bootWords) Apply(text []byte) ([]byte, error) {
	after := string(text)
	for _, wanted := range strings.Fields(c.Words) {
		for _, word := range c.setting(after).Words {
			if instead, yes := contradicts(word, wanted); yes {
				after = c.exchange(after, word, instead)
			}
		}
	}
	s, ok := host.ParseBootFile(after, c.Kind)
	if !ok {
		return nil, errors.New("it has no line for the kernel's parameters")
	}
	if missing := c.missing(s); len(missing) > 0 {
		after = after[:s.At] + s.Before + strings.Join(missing, " ") + s.After + after[s.At:]
	}
	// A file that its own reader would not take is no file to change.
	if s = c.setting(after); len(c.missing(s)) > 0 || slices.ContainsFunc(s.Words, c.contradicted) {
		return nil, errors.New("it is not written as such a file is")
	}
	return []byte(after), nil
}

// contradicted reports whether a parameter says the opposite of one that is wanted.
func (c bootWords) contradicted(word string) bool {
	return slices.ContainsFunc(strings.Fields(c.Words), func(wanted string) bool {
		_, yes := contradicts(word, wanted)
		return yes
	})
}

func (c bootWords) setting(text string) host.Setting {
	s, _ := host.ParseBootFile(text, c.Kind)
	return s
}

// missing are the parameters that are not there.
func (c bootWords) missing(s host.Setting) []string {
	return slices.DeleteFunc(strings.Fields(c.Words), func(w string) bool { return slices.Contains(s.Words, w) })
}

// exchange replaces a parameter wherever it counts, and a blank beside it where
// nothing takes its place.
func (c bootWords) exchange(text, word, instead string) string {
	for at := 0; ; {
		n := strings.Index(text[at:], word)
		if n < 0 {
			return text
		}
		from, to := at+n, at+n+len(word)
		at = to
		if !isWord(text, from, to) || !c.counts(text, from) {
			continue
		}
		if instead == "" {
			if to < len(text) && text[to] == ' ' {
				to++
			} else if from > 0 && text[from-1] == ' ' {
				from--
			}
		}
		text = text[:from] + instead + text[to:]
		at = from + len(instead)
	}
}

// isWord reports whether bytes are a word of their own.
func isWord(text string, from, to int) bool {
	const ends = " \t\r\n\"'=;"
	return (from == 0 || strings.IndexByte(ends, text[from-1]) >= 0) &&
		(to == len(text) || strings.IndexByte(ends, text[to]) >= 0)
}

// counts reports whether a place is part of the parameters that are used, and not of a
// comment or another label.
func (c bootWords) counts(text string, at int) bool {
	switch c.Kind {
	case host.BootGRUB, host.BootIni, host.BootEntry:
		line := text[strings.LastIndexByte(text[:at], '\n')+1:]
		return !strings.HasPrefix(strings.TrimLeft(line, " \t"), "#")
	}
	s := c.setting(text)
	return s.From <= at && at <= s.To
}

// withBoot adds to a finding what has the parameters in the kernel's command line from
// the next start on. Where the file has them already, a change cannot help.
func (f Facts) withBoot(found Finding, params string) Finding {
	b := f.Host.BootFile
	if b == nil {
		found.Fix = append(found.Fix,
			"# add to the kernel's command line, wherever this board's boot loader keeps it: "+params, "sudo reboot")
		return found
	}
	if b.Rootless() && b.Generator == "" {
		return f.withoutRoot(found, params)
	}
	change := bootWords{b.Kind, params}
	after, err := change.Apply([]byte(b.Text))
	there := err == nil && string(after) == b.Text
	if there && !f.Host.Stopped {
		found.Means = b.Path + " has " + params + " already, and the running kernel was started without: restart the " +
			"board. If /proc/cmdline is without it then, this is not the file that this board boots with"
	}
	switch {
	case err != nil:
		found.Fix = append(found.Fix, "# "+b.Path+" cannot be changed in place ("+err.Error()+"); add by hand: "+params)
	case !there:
		found.Edits = append(found.Edits, Edit{b.Path, change})
		if b.Generator != "" {
			found.Fix = append(found.Fix, "sudo "+b.Generator+"")
		}
	}
	if there && b.Generator != "" {
		found.Fix = append(found.Fix, "sudo "+b.Generator+"    # if it was not run since")
	}
	if !f.Host.Stopped {
		found.Fix = append(found.Fix, "sudo reboot")
		if there {
			found.Fix = append(found.Fix, "cat /proc/cmdline    # after the restart")
		}
	}
	if b.Unsure {
		found.Fix = append(found.Fix, "# nothing but "+b.Path+" indicates that this board boots by "+string(b.Kind)+
			": if /proc/cmdline is without it after that, another file counts")
	}
	if b.Rival != "" {
		found.Fix = append(found.Fix, "# if /proc/cmdline is without it after that, it is "+b.Rival+
			" that this board boots with: add the same there")
	}
	return found
}

// withoutRoot adds to a finding that the boot file names no root file system: it is
// blank or cut off, and parameters alone would not have the board start again. The
// running kernel's are known.
func (f Facts) withoutRoot(found Finding, params string) Finding {
	path := f.Host.BootFile.Path
	what := "names no root file system (root=)"
	if strings.TrimSpace(f.Host.BootFile.Text) == "" {
		what = "is empty"
	}
	found.Means += "; and " + path + " " + what + ": the board does not start from it"
	line := "# " + path + " has to be one line, as on another card with this system, and in it: " + params
	if running := strings.Join(f.Host.Cmdline, " "); strings.Contains(running, "root=") {
		missing := bootWords{host.BootCmdline, params}.missing(host.Setting{Words: f.Host.Cmdline})
		found.Fix = append(found.Fix, "# write into "+path+", as one line, what the running kernel was started with, and "+
			params+":", "# "+strings.Join(append([]string{running}, missing...), " "), "sudo reboot")
		return found
	}
	found.Fix = append(found.Fix, line)
	return found
}

// memoryCgroupOff is the finding of a board that runs without it.
func (f Facts) memoryCgroupOff() Finding {
	found := Finding{
		ID: "memory-cgroup", Severity: Fail, Seen: "the memory cgroup is off", Checks: []string{"memory-cgroup", systemCheck},
		Means: "the kubelet does not start without it; Raspberry Pi OS and others leave it off",
	}
	if slices.Contains(f.Host.Cmdline, "cgroup_disable=memory") {
		found.Seen += ": cgroup_disable=memory in /proc/cmdline"
	}
	contradicted := bootWords{Words: memoryOn}.contradicted
	for _, p := range strings.Fields(memoryOn) {
		// Kernels but the Raspberry Pi's know no cgroup_enable=: there only taking out the opposite helps.
		opposite := f.Host.BootFile != nil && slices.ContainsFunc(f.Host.BootFile.Words(), contradicted)
		if opposite || !slices.Contains(f.Host.Cmdline, p) {
			return f.withBoot(found, memoryOn)
		}
	}
	found.Means = "the kernel was started with " + memoryOn + " already, and has no memory cgroup nevertheless: " +
		"it was built without CONFIG_MEMCG, and the kubelet does not start"
	found.Fix = anotherKernel()
	return found
}

// memoryCgroupAtStart reports what a stopped system's boot file makes of the memory
// cgroup.
func (f Facts) memoryCgroupAtStart() []Finding {
	b := f.Host.BootFile
	if b == nil {
		return nil
	}
	found := Finding{
		ID: "memory-cgroup", Severity: Fail, Checks: []string{"memory-cgroup", systemCheck},
		Means: "the kubelet does not start without it",
	}
	off := slices.IndexFunc(b.Words(), bootWords{b.Kind, memoryOn}.contradicted)
	on := slices.Contains(b.Words(), "cgroup_enable=memory") || slices.Contains(b.Words(), "cgroup_memory=1")
	switch {
	case off >= 0:
		found.Seen = "the memory cgroup will be off at the next start: " + b.Path + " says " + b.Words()[off]
	case !on && b.Kind == host.BootCmdline && b.Generator == "" && f.raspberryKernel():
		found.Seen = "the memory cgroup will be off at the next start: " + b.Path + " does not switch it on"
		found.Means = "the Raspberry Pi's kernels leave it off, and the kubelet does not start without it"
	default:
		return fine("memory-cgroup", b.Path+" leaves the memory cgroup on")
	}
	return one(f.withBoot(found, memoryOn))
}

// raspberryKernel reports whether a stopped system has a kernel of Raspberry Pi's own
// or of Ubuntu for it, or an unknown one: those have the memory cgroup off.
func (f Facts) raspberryKernel() bool {
	own := func(release string) bool {
		return strings.Contains(release, "rpi") || strings.Contains(release, "raspi") || strings.HasSuffix(release, "+")
	}
	return len(f.Host.Kernel.Installed) == 0 || slices.ContainsFunc(f.Host.Kernel.Installed, own)
}
