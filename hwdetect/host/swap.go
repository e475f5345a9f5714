package host

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// Swap is one line of /proc/swaps.
type Swap struct {
	Name string `json:"name"`
	// Size is in bytes.
	Size uint64 `json:"size"`
}

// SwapState is swap, and what brings it back at the next start.
type SwapState struct {
	On []Swap `json:"on,omitempty"`
	// Makers are what makes swap at each start.
	Makers []SwapMaker `json:"makers,omitempty"`
}

// SwapMakerKind is how a maker of swap is started.
type SwapMakerKind string

// The kinds.
const (
	// SwapLine is a line of a file that is read or run at each start: Path and Line.
	SwapLine SwapMakerKind = "line"
	// SwapUnit is a unit of systemd that is enabled.
	SwapUnit SwapMakerKind = "unit"
	// SwapStatic is a unit that a package enables for good, which only masking stops.
	SwapStatic SwapMakerKind = "static unit"
	// SwapGenerator is a program that makes units at each start (systemd.generator(7)).
	SwapGenerator SwapMakerKind = "generator"
	// SwapInit is a script of /etc/init.d that has no unit.
	SwapInit SwapMakerKind = "init script"
)

// SwapMaker is what makes swap at each start.
type SwapMaker struct {
	Kind SwapMakerKind `json:"kind"`
	// Name is the unit's with its suffix, the generator's or the script's; for a
	// line what is swapped to.
	Name string `json:"name"`
	// Path is the file that says so, and Line its line, from 1, Text as it stands
	// there. Script is set when that is a line of a shell script.
	Path   string `json:"path,omitempty"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"-"`
	Script bool   `json:"-"`
}

// Armbian's service makes zram for other things, too: its setting stops the swap.
const armbianZram, armbianDefaults = "armbian-zram-config.service", "/etc/default/armbian-zram-config"

// readSwap looks for swap; cmdline is the kernel's command line.
func readSwap(f files, cmdline []string) SwapState {
	s := SwapState{On: parseSwaps(f.Read("/proc/swaps"))}
	// Without the target neither fstab's lines nor swap units are started.
	target := !f.hasUnit("swap.target") || f.unitPath("swap.target") != ""
	for _, line := range parseFstabSwap(f.Read("/etc/fstab")) {
		if unit := swapUnit(line.Name); target && (!f.hasUnit(unit) || f.unitPath(unit) != "") {
			line.Path = f.Real("/etc/fstab")
			s.Makers = append(s.Makers, line)
		}
	}
	for _, u := range enabledUnits(f) {
		if f.makesSwap(u) && (target || filepath.Ext(u.name) != ".swap") {
			kind := SwapUnit
			if u.static {
				kind = SwapStatic
			}
			maker := SwapMaker{Kind: kind, Name: u.name, Path: u.path}
			if u.name == armbianZram {
				maker.Path = f.Real(armbianDefaults)
			}
			s.Makers = append(s.Makers, maker)
		}
	}
	s.Makers = append(s.Makers, swapGenerators(f, cmdline)...)
	s.Makers = append(s.Makers, swapScripts(f)...)
	return s
}

// swapUnit is the name of the unit that systemd makes of a line of fstab(5), by
// which it can be masked (systemd-fstab-generator(8), systemd-escape(1)).
func swapUnit(spec string) string {
	if tag, value, ok := strings.Cut(spec, "="); ok && !strings.HasPrefix(spec, "/") {
		spec = "/dev/disk/by-" + strings.ToLower(tag) + "/" + strings.Trim(value, `"`)
	}
	return systemd.PathUnit(spec, "swap")
}

// makesSwap reports whether an enabled unit makes swap: a swap unit, or a service that
// by its name or description is about swap or zram, or starts a script that calls
// swapon(8). Those that have a setting for it are asked for that.
func (f files) makesSwap(u enabledUnit) bool {
	if filepath.Ext(u.name) == ".swap" {
		return true
	}
	if filepath.Ext(u.name) != ".service" {
		return false
	}
	switch u.name {
	case "dphys-swapfile.service":
		// dphys-swapfile(8): size 0 makes none.
		size, ok := ShellSetting(string(f.Read("/etc/dphys-swapfile")), "CONF_SWAPSIZE")
		return !ok || strings.Join(size.Words, " ") != "0"
	case armbianZram:
		text := string(f.Read(armbianDefaults))
		for _, name := range []string{"ENABLED", "SWAP"} {
			if v, ok := ShellSetting(text, name); ok && strings.Join(v.Words, " ") == "false" {
				return false
			}
		}
		return true
	}
	file := readUnit(f, filepath.Base(u.path))
	if file.path == "" {
		file.settings = parseUnit(f.Read(u.path)) // linked from elsewhere
	}
	calls, plain := f.callsSwapon(file.settings)
	about := strings.Join([]string{u.name, settingOf(file.settings, "Description"), settingOf(file.settings,
		"ExecStart")}, " ")
	about = strings.ToLower(about)
	return calls || !plain && aboutSwap.MatchString(hotSwap.ReplaceAllString(about, ""))
}

// aboutSwap finds words such as zramswap and mkswap.
var aboutSwap = regexp.MustCompile(`swap|zram`)

// hotSwap is about disks that are exchanged.
var hotSwap = regexp.MustCompile(`hot[ _-]?swap`)

// startsSwap reports whether a command line calls swapon(8) for more than to list what
// is in use.
func startsSwap(line string) bool {
	for _, rest := range strings.Split(line, "swapon")[1:] {
		rest = strings.TrimLeft(rest, " \t\"'")
		if !strings.HasPrefix(rest, "-s") && !strings.HasPrefix(rest, "--s") && !strings.HasPrefix(rest, "--help") {
			return true
		}
	}
	return false
}

// callsSwapon looks for swapon(8) in the commands of a unit, and in the scripts that
// they start. plain is set when those scripts could be read and do something else.
func (f files) callsSwapon(unit []setting) (calls, plain bool) {
	for _, key := range []string{"ExecStartPre", "ExecStart", "ExecStartPost"} {
		for _, command := range settingsOf(unit, key) {
			if startsSwap(command) {
				return true, false
			}
			plain = plain || strings.Contains(command, "swapoff")
			for _, word := range strings.Fields(strings.TrimLeft(command, "-@:+!|")) {
				script := f.Read(strings.Trim(word, `"'`))
				if !strings.HasPrefix(string(script), "#!") {
					continue
				}
				body := rootfs.Lines(script)
				for _, line := range body {
					if startsSwap(line) {
						return true, false
					}
				}
				plain = plain || len(body) > 0
			}
		}
	}
	return false, plain
}

// swapGenerators are those that make swap units: zram-generator where it is
// configured and the kernel's command line does not switch it off
// (zram-generator(8)), and Raspberry Pi OS's rpi-swap unless Mechanism=none
// (swap.conf(5)).
func swapGenerators(f files, cmdline []string) []SwapMaker {
	var all []SwapMaker
	if path := f.generator("zram-generator"); path != "" && !slices.Contains(cmdline, "systemd.zram=0") {
		if config, ok := zramConfig(f); ok {
			all = append(all, SwapMaker{Kind: SwapGenerator, Name: "zram-generator", Path: config})
		}
	}
	if path := f.generator("rpi-swap-generator"); path != "" {
		mechanism := ""
		for _, text := range configTexts(f, "rpi/swap.conf") {
			if v := settingOf(parseUnit([]byte(text.text)), "Mechanism"); v != "" {
				mechanism = v
			}
		}
		if mechanism != "none" {
			all = append(all, SwapMaker{Kind: SwapGenerator, Name: "rpi-swap-generator", Path: path})
		}
	}
	return all
}

// zramConfig finds a section [zramN] that becomes swap
// (zram-generator.conf(5)); of each setting the last file's counts.
func zramConfig(f files) (path string, ok bool) {
	type device struct {
		path     string
		settings map[string]string
	}
	var names []string
	devices := map[string]*device{}
	for _, c := range configTexts(f, "systemd/zram-generator.conf") {
		section := ""
		for _, line := range rootfs.Lines([]byte(c.text)) {
			if strings.HasPrefix(line, "[") {
				section = strings.Trim(line, "[]")
				if devices[section] == nil && strings.HasPrefix(section, "zram") {
					devices[section] = &device{c.path, map[string]string{}}
					names = append(names, section)
				}
				continue
			}
			if key, value, _ := strings.Cut(line, "="); devices[section] != nil {
				devices[section].settings[strings.TrimSpace(key)] = strings.TrimSpace(value)
			}
		}
	}
	meminfo, _ := linux.ParseMeminfo(f.Read("/proc/meminfo")) // unreadable: 0, not known
	memory := meminfo.Total >> 20
	for _, name := range names {
		if makesZramSwap(devices[name].settings, memory) {
			return devices[name].path, true
		}
	}
	return "", false
}

// makesZramSwap reports whether a device of zram-generator becomes swap on a board with
// so many MiB of memory, 0 when that is not known: no file system, a size that is not
// 0, and no limit that the board's memory is above.
func makesZramSwap(settings map[string]string, memory uint64) bool {
	isZero := func(key string) bool {
		n, err := strconv.ParseFloat(settings[key], 64)
		return err == nil && n == 0
	}
	limit := settings["host-memory-limit"]
	if limit == "" {
		limit = settings["memory-limit"] // its older name
	}
	most, err := strconv.ParseUint(limit, 10, 64)
	switch kind := settings["fs-type"]; {
	case kind != "" && kind != "swap", settings["mount-point"] != "",
		isZero("zram-size"), settings["zram-size"] == "" && (isZero("zram-fraction") || isZero("max-zram-size")):
		return false
	case err == nil && memory > most:
		return false
	}
	return true
}

// swapScripts are lines that make swap in what is run at each start, and init
// scripts without a unit.
func swapScripts(f files) []SwapMaker {
	var all []SwapMaker
	// rc.local counts when it can be run (systemd-rc-local-generator(8)).
	if info, ok := f.Stat("/etc/rc.local"); ok && info.Mode()&0o111 != 0 {
		all = append(all, swaponLines(f, "/etc/rc.local", "")...)
	}
	all = append(all, swaponLines(f, "/etc/crontab", "@reboot")...)
	for _, dir := range []string{"/etc/cron.d/", "/var/spool/cron/crontabs/"} {
		for _, name := range f.Names(dir) {
			// Names with a dot are skipped (cron(8)).
			if !strings.Contains(name, ".") {
				all = append(all, swaponLines(f, dir+name, "@reboot")...)
			}
		}
	}
	for _, dir := range []string{"/etc/udev/rules.d/", "/usr/lib/udev/rules.d/"} {
		for _, name := range f.Names(dir) {
			if filepath.Ext(name) == ".rules" {
				all = append(all, swaponLines(f, dir+name, "RUN")...)
			}
		}
	}
	for _, name := range sysvEnabled(f) {
		if script := string(f.Read("/etc/init.d/" + name)); startsSwap(script) || aboutSwap.MatchString(name) {
			if name == "dphys-swapfile" && !f.makesSwap(enabledUnit{name: "dphys-swapfile.service"}) {
				continue
			}
			all = append(all, SwapMaker{Kind: SwapInit, Name: name, Path: "/etc/init.d/" + name})
		}
	}
	return all
}

// swaponLines are the lines of a file that call swapon(8), and hold another word
// too.
func swaponLines(f files, path, and string) []SwapMaker {
	var all []SwapMaker
	for n, line := range strings.Split(string(f.Read(path)), "\n") {
		code, _, _ := strings.Cut(line, "#")
		if and == "" && (code == "exit" || strings.HasPrefix(code, "exit ")) {
			break // a script ends there
		}
		if startsSwap(code) && strings.Contains(code, and) {
			all = append(all, SwapMaker{
				Kind: SwapLine, Name: strings.TrimSpace(code), Path: f.Real(path), Line: n + 1,
				Text: strings.TrimSuffix(line, "\r"), Script: and == "",
			})
		}
	}
	return all
}

// parseSwaps reads /proc/swaps (proc_swaps(5)): a heading, then name, type, size
// in KiB, used, priority.
func parseSwaps(text []byte) []Swap {
	var all []Swap
	for n, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if n == 0 || len(w) < 3 {
			continue
		}
		size, err := strconv.ParseUint(w[2], 10, 53)
		if err != nil {
			continue
		}
		all = append(all, Swap{linux.Unescape(w[0]), size << 10})
	}
	return all
}

// parseFstabSwap finds the entries of type swap in fstab(5) that are not noauto.
func parseFstabSwap(text []byte) []SwapMaker {
	var all []SwapMaker
	for n, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if len(w) >= 3 && !strings.HasPrefix(w[0], "#") && w[2] == "swap" && !(len(w) > 3 && hasOption(w[3], "noauto")) {
			all = append(all, SwapMaker{Kind: SwapLine, Name: linux.Unescape(w[0]), Line: n + 1,
				Text: strings.TrimSuffix(line, "\r")})
		}
	}
	return all
}
