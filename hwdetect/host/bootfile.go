package host

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

// BootKind is the form of a file that holds the kernel's command line.
type BootKind string

// The forms.
const (
	// BootCmdline is the Raspberry Pi's cmdline.txt, and /etc/kernel/cmdline: one
	// line, all of it.
	BootCmdline BootKind = "cmdline.txt"
	// BootEnv is a U-Boot environment such as Armbian's armbianEnv.txt.
	BootEnv BootKind = "extraargs"
	// BootUEnv is uEnv.txt, whose variable differs between makers.
	BootUEnv BootKind = "uEnv.txt"
	// BootIni is Hardkernel's boot.ini, U-Boot commands.
	BootIni BootKind = "boot.ini"
	// BootExtlinux is U-Boot's extlinux.conf: an append line for each label.
	BootExtlinux BootKind = "extlinux"
	// BootMenu is Debian's u-boot-menu, which writes extlinux.conf:
	// U_BOOT_PARAMETERS= in /etc/default/u-boot.
	BootMenu BootKind = "u-boot-menu"
	// BootFlashKernel is Debian's flash-kernel: LINUX_KERNEL_CMDLINE=.
	BootFlashKernel BootKind = "flash-kernel"
	// BootGRUB is GRUB_CMDLINE_LINUX= in /etc/default/grub.
	BootGRUB BootKind = "GRUB"
	// BootEntry is an entry of systemd-boot (UAPI.1, Boot Loader Specification).
	BootEntry BootKind = "systemd-boot"
)

// BootFile is the file on this board that the kernel's command line is changed
// in.
type BootFile struct {
	// Path has its links resolved: sed -i would replace a link by a file.
	Path string   `json:"path"`
	Kind BootKind `json:"kind"`
	// Generator is the command that has to be run after a change, empty for none.
	Generator string `json:"generator,omitempty"`
	// Unsure is set when nothing but the file itself speaks for its boot loader.
	Unsure bool `json:"unsure,omitempty"`
	// Rival is another file that may be the one that boots, where nothing decides.
	Rival string `json:"rival,omitempty"`
	// Text is the file, and Setting where the parameters stand in it.
	Text    string  `json:"-"`
	Setting Setting `json:"-"`
}

// Rootless reports whether a file that is the whole command line names no root file
// system, without which no board starts.
func (b BootFile) Rootless() bool { return b.Kind == BootCmdline && !hasRoot(b.Words()) }

// Words are the parameters in the file.
func (b BootFile) Words() []string { return b.Setting.Words }

// bootCandidate is a file that may be the one.
type bootCandidate struct {
	path string
	kind BootKind
	// weak is set when nothing but the file itself speaks for its boot loader,
	// such as defaults that a removed package left.
	weak bool
}

// readBootFile finds the file that counts, by what the boot loaders look for and in
// their order: the Raspberry Pi's firmware, a maker's U-Boot, U-Boot's own order
// (doc/develop/bootstd.rst: extlinux.conf, then boot.scr, then EFI). Where several
// are there, the running system's command line tells which one was read.
func readBootFile(f files, cmdline []string, model string) *BootFile {
	var all []BootFile
	rank := map[string]int{}
	for _, c := range bootCandidates(f, model) {
		text := string(f.Read(c.path))
		s, ok := ParseBootFile(text, c.kind)
		file := BootFile{
			Path: f.Real(c.path), Kind: c.kind, Text: text, Setting: s, Generator: generatorOf(f, c), Unsure: c.weak,
		}
		if !ok || slices.ContainsFunc(all, func(x BootFile) bool { return x.Path == file.Path }) {
			continue
		}
		r := file.resembles(cmdline) * 2
		if c.weak {
			r--
		}
		rank[file.Path] = r
		all = append(all, file)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b BootFile) int { return cmp.Compare(rank[b.Path], rank[a.Path]) })
	if len(all) > 1 && rank[all[0].Path] == rank[all[1].Path] {
		all[0].Rival = all[1].Path
	}
	return &all[0]
}

// resembles compares a file with the running command line: 1 when it names the
// same root file system, -1 when it names another one, 0 when it says nothing.
func (b BootFile) resembles(cmdline []string) int {
	root := func(words []string) string {
		for _, w := range words {
			if to, ok := strings.CutPrefix(w, "root="); ok && !strings.Contains(to, "$") {
				return to
			}
		}
		return ""
	}
	file, running := root(b.Words()), root(cmdline)
	switch {
	case file == "" || running == "":
		return 0
	case file == running:
		return 1
	}
	return -1
}

func generatorOf(f files, c bootCandidate) string {
	switch {
	case c.kind == BootMenu || c.path == kernelCmdline:
		return "u-boot-update"
	case c.kind == BootFlashKernel:
		return "flash-kernel"
	case c.kind == BootGRUB && f.Exists("/boot/grub2/grub.cfg"):
		return "grub2-mkconfig -o /boot/grub2/grub.cfg"
	case c.kind == BootGRUB:
		return "update-grub"
	}
	return ""
}

const (
	kernelCmdline = "/etc/kernel/cmdline"
	flashKernel   = "/etc/default/flash-kernel"
)

// bootCandidates are the files that are there, in the order in which they count.
func bootCandidates(f files, model string) []bootCandidate {
	there := func(paths ...string) bool { return slices.ContainsFunc(paths, f.Exists) }
	var all, late []bootCandidate
	add := func(kind BootKind, paths ...string) {
		for _, p := range paths {
			if f.Exists(p) {
				all = append(all, bootCandidate{path: p, kind: kind})
			}
		}
	}
	// On other boards a cmdline.txt is no boot file of its own.
	firmware := firmwareFiles(f)
	if model == "" || strings.Contains(model, "Raspberry Pi") {
		add(BootCmdline, firmware...)
		firmware = nil
	}
	add(BootIni, "/boot/boot.ini", "/media/boot/boot.ini", "/boot/firmware/boot.ini")
	const defaults, extlinux = "/etc/default/u-boot", "/boot/extlinux/extlinux.conf"
	menu := there("/usr/sbin/u-boot-update", "/sbin/u-boot-update") ||
		strings.Contains(string(f.Read(extlinux)), "u-boot-update")
	off, ok := ShellSetting(string(f.Read(defaults)), "U_BOOT_UPDATE")
	off.Words = append(off.Words, "true")
	switch disabled := ok && off.Words[0] == "false"; {
	case menu && !disabled:
		all = append(all, menuFile(f)) // extlinux.conf is written anew from it
	default:
		add(BootExtlinux, extlinux, "/boot/firmware/extlinux/extlinux.conf", "/boot/efi/extlinux/extlinux.conf")
		if f.Exists(defaults) && !disabled {
			late = append(late, bootCandidate{defaults, BootMenu, true})
		}
	}
	add(BootEnv, "/boot/armbianEnv.txt", "/boot/orangepiEnv.txt", "/boot/dietpiEnv.txt")
	add(BootUEnv, "/boot/uEnv.txt", "/uEnv.txt", "/boot/firmware/uEnv.txt", "/boot/uboot/uEnv.txt")
	switch {
	case there("/usr/sbin/flash-kernel", "/sbin/flash-kernel", "/usr/share/flash-kernel"),
		f.Exists("/boot/boot.scr") && f.Exists(flashKernel):
		all = append(all, bootCandidate{flashKernel, BootFlashKernel, false})
	case f.Exists(flashKernel):
		late = append(late, bootCandidate{flashKernel, BootFlashKernel, true})
	}
	for _, dir := range []string{"/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries"} {
		names := slices.DeleteFunc(f.Names(dir), func(name string) bool { return filepath.Ext(name) != ".conf" })
		if len(names) > 0 {
			add(BootEntry, dir+"/"+names[len(names)-1]) // the newest by its name
		}
	}
	if there("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/sys/firmware/efi/efivars") && f.Exists("/etc/default/grub") {
		grub := lastSetting(f, "GRUB_CMDLINE_LINUX", "/etc/default/grub", "/etc/default/grub.d", ".cfg")
		all = append(all, bootCandidate{grub, BootGRUB, false})
	}
	add(BootCmdline, firmware...)
	return append(all, late...)
}

// menuFile is where u-boot-update takes its parameters from: /etc/kernel/cmdline
// unless U_BOOT_PARAMETERS is set.
func menuFile(f files) bootCandidate {
	const name = "U_BOOT_PARAMETERS"
	path := lastSetting(f, name, "/etc/default/u-boot", "/etc/u-boot-menu/conf.d", ".conf")
	s, ok := ShellSetting(string(f.Read(path)), name)
	if f.Exists(kernelCmdline) && (!ok || len(s.Words) == 0) {
		return bootCandidate{path: kernelCmdline, kind: BootCmdline}
	}
	return bootCandidate{path: path, kind: BootMenu}
}

// lastSetting is the file that sets a shell's variable last: a main file, or one of a
// folder whose files are read after it. One that extends the setting does not replace
// it.
func lastSetting(f files, name, main, folder, ext string) string {
	last := main
	for _, file := range f.Names(folder) {
		s, ok := ShellSetting(string(f.Read(folder+"/"+file)), name)
		extends := slices.ContainsFunc(s.Words, func(w string) bool { return strings.Contains(w, "$") })
		if ok && filepath.Ext(file) == ext && !extends {
			last = folder + "/" + file
		}
	}
	return last
}

// firmwareFiles are the places of the Raspberry Pi's cmdline.txt, the likeliest
// first. os_prefix and cmdline in config.txt name another one (Raspberry Pi
// documentation, config.txt); Ubuntu from 25.10 on keeps it below current/. Where one
// names the root file system those without root= do not count: some say only where the
// real one went.
func firmwareFiles(f files) []string {
	dirs := []string{"/boot/firmware", "/boot"}
	for _, line := range rootfs.Lines(f.Read("/etc/fstab")) {
		if w := strings.Fields(line); len(w) > 2 && w[1] == "/boot" && w[2] == "vfat" {
			slices.Reverse(dirs)
		}
	}
	var all, rootless []string
	for _, dir := range dirs {
		prefix, name := parsePiConfig(f.Read(dir + "/config.txt"))
		for _, file := range []string{prefix + name, "current/" + name, name} {
			path := filepath.Join(dir, file)
			text := string(f.Read(path))
			s, _ := ParseBootFile(text, BootCmdline)
			switch {
			case slices.Contains(all, path) || slices.Contains(rootless, path) || !f.Exists(path):
			case hasRoot(s.Words):
				all = append(all, path)
			case !strings.Contains(text, "/cmdline.txt"):
				rootless = append(rootless, path)
			}
		}
	}
	if len(all) == 0 {
		return rootless // blank, as a power cut leaves it, or with parameters alone
	}
	return all
}

func hasRoot(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "root=") })
}

// parsePiConfig reads os_prefix= and cmdline= of config.txt. Those of an attempt
// only ([tryboot]) do not count; of the other filters none is known here, so their
// lines do.
func parsePiConfig(text []byte) (prefix, name string) {
	name = "cmdline.txt"
	filter := ""
	for _, line := range rootfs.Lines(text) {
		if strings.HasPrefix(line, "[") {
			filter = line
		}
		key, value, _ := strings.Cut(line, "=")
		if filter == "[tryboot]" || filter == "[none]" {
			continue
		}
		switch strings.TrimSpace(key) {
		case "os_prefix":
			prefix = strings.TrimSpace(value)
		case "cmdline":
			name = strings.TrimSpace(value)
		}
	}
	return prefix, name
}
