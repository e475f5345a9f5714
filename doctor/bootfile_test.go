package doctor

import (
	"strings"
	"testing"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
)

// FuzzBootWords: a change of a boot file leaves the words in it, a second time it
// changes nothing, and what it takes out it takes out whole.
func FuzzBootWords(f *testing.F) {
	kinds := []host.BootKind{host.BootCmdline, host.BootEnv, host.BootUEnv, host.BootIni, host.BootExtlinux,
		host.BootMenu, host.BootFlashKernel, host.BootGRUB, host.BootEntry}
	for i, text := range []string{
		"root=/dev/a cgroup_disable=memory\r\n", "extraargs=a \\\n b", "cmdline=", "setenv bootargs \"a\"; booti", "label a\nappend", "U_BOOT_PARAMETERS='a'\"b\" # c",
		"LINUX_KERNEL_CMDLINE=a\\ b\n", "GRUB_CMDLINE_LINUX=\"a\nb\"\n", "options a\noptions b",
	} {
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		c := bootWords{kinds[int(kind)%len(kinds)], memoryOn}
		once, err := c.Apply([]byte(text))
		if err != nil {
			return
		}
		if len(once) < len(text)-strings.Count(text, "cgroup_")*len("cgroup_disable=memory,") {
			t.Fatalf("%q became %q", text, once)
		}
		twice, err := c.Apply(once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%s %q: %q, again %q: %v", c.Kind, text, once, twice, err)
		}
	})
}
