package hwdetect

import (
	"strings"
)

// BootKind is the form of a file that holds the kernel's command line.
type BootKind string

// The forms.
const (
	// BootCmdline is the Raspberry Pi's cmdline.txt: one line, all of it.
	BootCmdline BootKind = "cmdline.txt"
	// BootEnv is Armbian's armbianEnv.txt, also orangepiEnv.txt: extraargs=.
	BootEnv BootKind = "extraargs"
	// BootExtlinux is U-Boot's extlinux.conf: an append line for each label.
	BootExtlinux BootKind = "extlinux"
	// BootMenu is Debian's u-boot-menu, which writes extlinux.conf:
	// U_BOOT_PARAMETERS= in /etc/default/u-boot.
	BootMenu BootKind = "u-boot-menu"
	// BootFlashKernel is Debian's flash-kernel: LINUX_KERNEL_CMDLINE=.
	BootFlashKernel BootKind = "flash-kernel"
	// BootGRUB is GRUB_CMDLINE_LINUX= in /etc/default/grub.
	BootGRUB BootKind = "GRUB"
)

// BootFile is the file on this board that the kernel's command line is changed
// in.
type BootFile struct {
	Path string   `json:"path"`
	Kind BootKind `json:"kind"`
	// HasLine tells whether the line to add to is there already; else it has
	// to be added.
	HasLine bool `json:"hasLine"`
	// DisablesMemory is set when the file itself says cgroup_disable=memory.
	DisablesMemory bool `json:"disablesMemory,omitempty"`
}

// readBootFile finds the boot file. A Raspberry Pi OS of 2023 and later leaves a
// /boot/cmdline.txt behind that says where the real one went, so the one below
// /boot/firmware comes first.
func readBootFile(f files) *BootFile {
	for _, c := range []struct {
		path string
		kind BootKind
	}{
		{"/boot/firmware/cmdline.txt", BootCmdline},
		{"/boot/cmdline.txt", BootCmdline},
		{"/boot/armbianEnv.txt", BootEnv},
		{"/boot/orangepiEnv.txt", BootEnv},
		{"/boot/dietpiEnv.txt", BootEnv},
		{"/etc/default/u-boot", BootMenu},
		{"/boot/extlinux/extlinux.conf", BootExtlinux},
		{"/etc/default/flash-kernel", BootFlashKernel},
		{"/etc/default/grub", BootGRUB},
	} {
		if !f.exists(c.path) {
			continue
		}
		b := parseBootFile(f.read(c.path), c.kind)
		b.Path = c.path
		if c.kind == BootCmdline && !b.HasLine {
			continue
		}
		return &b
	}
	return nil
}

// parseBootFile looks for the line that takes further parameters.
func parseBootFile(text []byte, kind BootKind) BootFile {
	b := BootFile{Kind: kind, DisablesMemory: strings.Contains(string(text), "cgroup_disable=memory")}
	for n, line := range strings.Split(string(text), "\n") {
		switch kind {
		case BootCmdline:
			b.HasLine = b.HasLine || n == 0 && strings.Contains(line, "root=")
		case BootEnv:
			b.HasLine = b.HasLine || strings.HasPrefix(line, "extraargs=")
		case BootExtlinux:
			word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
			b.HasLine = b.HasLine || strings.EqualFold(strings.TrimSpace(word), "append")
		case BootMenu:
			b.HasLine = b.HasLine || strings.HasPrefix(line, `U_BOOT_PARAMETERS="`)
		case BootFlashKernel:
			b.HasLine = b.HasLine || strings.HasPrefix(line, `LINUX_KERNEL_CMDLINE="`)
		case BootGRUB:
			b.HasLine = b.HasLine || strings.HasPrefix(line, `GRUB_CMDLINE_LINUX="`)
		}
	}
	return b
}
