package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A bootReader tells the kernel's parameters as the program that reads a boot file
// makes them.
type bootReader func(t *testing.T, path string) []string

// shellReads has sh(1) itself read a file of variables.
func shellReads(name string) bootReader {
	return func(t *testing.T, path string) []string {
		t.Helper()
		out, err := exec.Command("sh", "-euc", `. "$1"; printf %s "${`+name+`-}"`, "sh", path).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.Fields(string(out))
	}
}

// firmwareReads is what the Raspberry Pi's firmware passes on.
func firmwareReads(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.Fields(line)
}

// environmentReads is U-Boot's "env import -t" (lib/hashtable.c, himport_r): blanks
// before a name are skipped, # begins a comment, a backslash keeps the next
// character, the last value counts.
func environmentReads(name string) bootReader {
	return func(t *testing.T, path string) []string {
		t.Helper()
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		env := map[string]string{}
		for rest := string(text); rest != ""; {
			rest = strings.TrimLeft(rest, " \t\n")
			if strings.HasPrefix(rest, "#") {
				_, rest, _ = strings.Cut(rest, "\n")
				continue
			}
			key, value, ok := strings.Cut(rest, "=")
			if !ok {
				break
			}
			var v strings.Builder
			i := 0
			for ; i < len(value) && value[i] != '\n'; i++ {
				if value[i] == '\\' && i+1 < len(value) {
					i++
				}
				v.WriteByte(value[i])
			}
			env[key], rest = v.String(), value[i:]
		}
		return strings.Fields(env[name])
	}
}

// extlinuxReads is U-Boot's reader of extlinux.conf (boot/pxe_utils.c) for the label
// that boots.
func extlinuxReads(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	labels, order := map[string]string{}, []string{}
	chosen, label := "", ""
	for _, line := range strings.Split(string(text), "\n") {
		token, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		rest = strings.TrimSpace(rest)
		switch strings.ToLower(token) {
		case "default", "ontimeout":
			chosen = rest
		case "label":
			label = rest
			order = append(order, label)
		case "menu":
			if strings.EqualFold(rest, "default") {
				chosen = label
			}
		case "append":
			if label != "" {
				labels[label] = rest
			}
		}
	}
	require.NotEmpty(t, order)
	if !slices.Contains(order, chosen) {
		chosen = order[0]
	}
	return strings.Fields(labels[chosen])
}

// iniReads carries setenv out as U-Boot's shell does, variables and all.
func iniReads(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	script := `setenv() { n=$1; shift; eval "$n=\"\$*\""; }; booti() { :; }; bootargs=; x=1` + "\n" + strings.ReplaceAll(string(text), "\r", "") + "\n" + `printf %s "$bootargs"`
	out, err := exec.Command("sh", "-c", strings.Replace(script, "ODROIDN2-UBOOT-CONFIG\n", "", 1)).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.Fields(string(out))
}

// A bootFormat is a kind of boot file with the ways to write it.
type bootFormat struct {
	path string
	// loader are files that tell of the boot loader.
	loader []string
	reads  bootReader
	texts  map[string]string
}

// values are what a file may say before: nothing, something, what is to be added,
// half of it, and its opposite.
func values() []string {
	return []string{"", "cgroup_disable=memory quiet", "a cgroup_disable=memory", "a cgroup_disable=memory,pids b",
		"cgroup_enable=memoryquiet mycgroup_enable=memory cgroup_memory=1"}
}

func shellTexts(name string) map[string]string {
	return map[string]string{
		"double quotes": "# settings\nX=1\n" + name + "=\"V\"\nY=2\n", "single quotes": name + "='V'\n", "comment": name + "=\"V\" # mine: " + name + "=\"no\"\n",
		"export": "export " + name + "=\"V\"\n", "indented": "\t" + name + "=\"V\"\n", "twice": name + "=\"first\"\n" + name + "=\"V\"\n", "two lines": name + "=\"V \\\n  last\"\n",
		"pieces": name + "=\"V\"' last'\n", "commented out": "#" + name + "=\"V\"\nX=\"a\nb\"\n", "missing": "# nothing\nX='\n" + name + "=no\n'\n", "semicolon": "X=1; " + name + "_X=2\n" + name + "=\"V\";Y=1\n", "it's": "# it's a comment\n" + name + "=\"V\"\n",
	}
}

func bootFormats() []bootFormat {
	env := func(name string) map[string]string {
		return map[string]string{
			"plain": "verbosity=1\n" + name + "=V\nrootdev=UUID=1\n", "last": "verbosity=1\n" + name + "=V\n", "missing": "verbosity=1\nrootdev=UUID=1\n", "commented out": "#" + name + "=V\nrootdev=UUID=1\n",
			"twice": name + "=first\n" + name + "=V\nx=" + name + "=no\n", "indented": "  " + name + "=V\n",
		}
	}
	uenv := env("cmdline")
	for form := range uenv {
		uenv[form] = "uname_r=5.10.168-ti-r71\n" + uenv[form]
	}
	grub := shellTexts("GRUB_CMDLINE_LINUX")
	for form := range grub {
		grub[form] += "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"
	}
	return []bootFormat{
		{"/boot/firmware/cmdline.txt", nil, firmwareReads, map[string]string{"plain": "console=tty1 root=PARTUUID=0badcafe-02 V\n", "first": "V root=PARTUUID=0badcafe-02\n", "blanks": "root=PARTUUID=0badcafe-02  V  rootwait \n", "second line": "root=PARTUUID=0badcafe-02 V\ncgroup_enable=memory\n"}},
		{"/boot/armbianEnv.txt", nil, environmentReads("extraargs"), env("extraargs")},
		{"/boot/uEnv.txt", nil, environmentReads("cmdline"), uenv},
		{"/boot/boot.ini", nil, iniReads, map[string]string{
			"quotes": "ODROIDN2-UBOOT-CONFIG\nsetenv bootargs \"root=/dev/mmcblk0p2 V\"\nbooti\n", "joined": "setenv bootargs \"V\"\nsetenv bootargs \"root=/dev/mmcblk0p2 ${bootargs} x=${x}\"\n",
			"no quotes": "setenv bootargs root=/dev/mmcblk0p2 V\nbooti\n", "semicolon": "setenv x 2; setenv y 1\nsetenv bootargs root=/dev/mmcblk0p2 V; booti\n", "single quotes": "  setenv bootargs 'root=/dev/mmcblk0p2 V'\n", "commented": "# setenv bootargs \"V\"\nsetenv bootargs \"root=/dev/mmcblk0p2 V\"\n",
		}},
		{"/boot/extlinux/extlinux.conf", nil, extlinuxReads, map[string]string{
			"one": "label l0\n\tlinux /vmlinuz\n\tappend root=/dev/mmcblk0p2 V\n", "default": "default two\nlabel one\n\tappend root=/dev/no\nlabel two\n\tappend root=/dev/mmcblk0p2 V\n\tfdt /x\n", "menu default": "label one\n append x\nlabel two\n menu default\n APPEND root=/dev/mmcblk0p2 V\n",
			"no append": "label one\n  linux /vmlinuz\n\nlabel two\n  append x V\n", "comments": "# label no\n#\tappend V\nlabel l0\n# append\n\tappend V\n", "blanks": "LABEL l0\n   APPEND\t  root=/dev/mmcblk0p2 V  \n", "default missing": "default gone\nlabel one\n append V\nlabel two\n append y\n",
		}},
		{"/etc/default/u-boot", []string{"/usr/sbin/u-boot-update"}, shellReads("U_BOOT_PARAMETERS"), shellTexts("U_BOOT_PARAMETERS")},
		{"/etc/default/flash-kernel", []string{"/usr/sbin/flash-kernel"}, shellReads("LINUX_KERNEL_CMDLINE"), shellTexts("LINUX_KERNEL_CMDLINE")},
		{"/etc/default/grub", []string{"/boot/grub/grub.cfg"}, shellReads("GRUB_CMDLINE_LINUX"), grub},
	}
}

// bootVariations are all texts of a format with all values, each in the forms that
// editors leave.
func (f bootFormat) variations() []variation {
	var all []variation
	for form, text := range f.texts {
		for _, value := range values() {
			v := variation{fmt.Sprintf("%s, %s, %q", f.path, form, value), strings.ReplaceAll(text, "V", value)}
			if !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, func(a, b variation) int { return strings.Compare(a.name, b.name) })
	all = forms(all)
	if strings.HasPrefix(f.path, "/etc/") {
		// To a shell a carriage return is a character like others.
		all = slices.DeleteFunc(all, func(v variation) bool { return strings.Contains(v.text, "\r") })
	}
	return all
}

// TestBootVariations carries the fix of the memory cgroup out on every legal form of
// every boot file. Afterwards the file's reader finds the parameters, each word that
// it found before but those that said the opposite, and every other line is as it was.
func TestBootVariations(t *testing.T) {
	total := 0
	for _, format := range bootFormats() {
		t.Run(filepath.Base(format.path), func(t *testing.T) {
			c := layDown(t, filepath.Join(fieldFolder, "12-armbianenv-cut.txtar"))
			require.NoError(t, os.RemoveAll(c.root+"/boot"))
			for _, path := range format.loader {
				writeBelow(t, c.root, path, []byte("x"))
			}
			for _, v := range format.variations() {
				c.bootVariation(t, format, v)
				total++
			}
			t.Logf("%d files", len(format.variations()))
		})
	}
	assert.Greater(t, total, 250)
	t.Logf("%d files", total)
}

func (c fieldCase) bootVariation(t *testing.T, format bootFormat, v variation) {
	t.Helper()
	read := func(text string) []string {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return format.reads(t, path)
	}
	before := read(v.text)
	writeBelow(t, c.root, format.path, []byte(v.text))
	out, errs, code := c.ask(t, "--fix", "memory-cgroup")
	require.Zero(t, code, "%s: %s%s\n%s", v.name, out, errs, v.text)
	text, err := os.ReadFile(c.root + format.path)
	require.NoError(t, err)
	after := read(string(text))
	for _, word := range []string{"cgroup_enable=memory", "cgroup_memory=1"} {
		assert.Contains(t, after, word, "%s:\n%s\n%s", v.name, v.text, text)
	}
	for _, word := range before {
		if disabled, ok := strings.CutPrefix(word, "cgroup_disable="); ok {
			assert.NotContains(t, after, word, v.name)
			if rest := strings.Replace(disabled, "memory,", "", 1); rest != disabled {
				assert.Contains(t, after, "cgroup_disable="+rest, v.name)
			}
			continue
		}
		assert.Contains(t, after, word, "%s:\n%s\n%s", v.name, v.text, text)
	}
	same := 0
	old, now := strings.SplitAfter(v.text, "\n"), strings.SplitAfter(string(text), "\n")
	for _, line := range old {
		if slices.Contains(now, line) || slices.Contains(now, line+"\n") {
			same++
		}
	}
	assert.LessOrEqual(t, len(old)-same, 2, "%s: more than the parameters' lines were changed:\n%s\n%s", v.name, v.text,
		text)
	for _, f := range c.report(t).Findings {
		if f.ID == "memory-cgroup" {
			assert.Contains(t, f.Means, "already", v.name)
		}
	}
}

// A lineChange is a file of which a fix changes or adds one line.
type lineChange struct {
	path, finding string
	// links are those of the board, by their place.
	links map[string]string
	// files are others that the board needs.
	files map[string]string
	// lines are the ways to write the line, kept is what may stand around it.
	lines, kept []string
	// want is a regular expression for the line afterwards.
	want string
}

func lineChanges() []lineChange {
	zram := "/usr/lib/systemd/system/armbian-zram-config.service"
	return []lineChange{
		{"/etc/fstab", "swap", nil, nil,
			[]string{"/swapfile none swap sw 0 0", "UUID=1-2\tnone\tswap\tdefaults\t0\t0", "  /dev/zram0 swap swap pri=100", `LABEL=my\040swap none swap sw,nofail 0 0 # mine`},
			[]string{"PARTUUID=0badcafe-02 / ext4 defaults,noatime 0 1", "# /swap none swap sw 0 0", "/dev/sdb1 none swap noauto 0 0", "tmpfs /tmp tmpfs size=10% 0 0\n\n"}, `^#`},
		{"/etc/default/armbian-zram-config", "swap", map[string]string{"/etc/systemd/system/sysinit.target.wants/armbian-zram-config.service": zram}, map[string]string{zram: "[Service]\nExecStart=/x\n"},
			[]string{"SWAP=true", `SWAP="true"`, "SWAP='yes' # zram", "# SWAP=false", "export SWAP=true", ""}, []string{"ENABLED=true", "# SWAP=no\nZRAM_PERCENTAGE=50", "MEM_LIMIT_PERCENTAGE=50\n"}, `^(export )?SWAP=false( # zram)?$`},
		{"/etc/hosts", "hostname-resolves", nil, nil,
			[]string{"", "127.0.1.1 another", "# 127.0.1.1 shed-1", "shed-1 127.0.1.1"}, []string{"127.0.0.1 localhost", "::1\tlocalhost ip6-localhost\nff02::1 ip6-allnodes", "# mine\n\n"}, `^127\.0\.1\.1 shed-1$`},
	}
}

// TestLineVariations carries the fixes of single lines out on files of every legal
// form: every other line stays as it is.
func TestLineVariations(t *testing.T) {
	count := 0
	for _, change := range lineChanges() {
		c := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
		for path, text := range change.files {
			writeBelow(t, c.root, path, []byte(text))
		}
		for path, to := range change.links {
			writeBelow(t, c.root, path, nil)
			require.NoError(t, os.Remove(c.root+path))
			require.NoError(t, os.Symlink(to, c.root+path))
		}
		var all []variation
		for i, line := range change.lines {
			for j, kept := range change.kept {
				all = append(all, variation{fmt.Sprint(change.path, i, j, " above"), kept + "\n" + line + "\n"},
					variation{fmt.Sprint(change.path, i, j, " below"), line + "\n" + kept + "\n"})
			}
		}
		for _, v := range forms(all) {
			count++
			writeBelow(t, c.root, change.path, []byte(v.text))
			out, errs, code := c.ask(t, "--fix", change.finding)
			require.Zero(t, code, "%s: %s%s\n%q", v.name, out, errs, v.text)
			text, err := os.ReadFile(c.root + change.path)
			require.NoError(t, err)
			after := strings.Split(strings.ReplaceAll(string(text), "\r", ""), "\n")
			assert.True(t, slices.ContainsFunc(after,
				func(l string) bool { return regexp.MustCompile(change.want).MatchString(l) }), "%s:\n%q\n%q", v.name, v.text, text)
			gone := 0
			for _, line := range strings.Split(strings.ReplaceAll(v.text, "\r", ""), "\n") {
				if !slices.Contains(after, line) {
					gone++
				}
			}
			assert.LessOrEqual(t, gone, 1, "%s:\n%q\n%q", v.name, v.text, text)
			for _, f := range c.report(t).Findings {
				assert.True(t, f.ID != change.finding || f.Severity == "ok", "%s: %s\n%q", v.name, f.Seen, text)
			}
		}
	}
	t.Logf("%d files", count)
}
