package hwdetect

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

// cpu fills in the processor.
func (b *Board) cpu(info CPUInfo) {
	c := &b.CPU
	c.Count = len(info.Processors)
	for _, p := range info.Processors {
		if c.ModelName == "" {
			c.ModelName = p.ModelName
		}
		a := archOf(p, b.Kernel.Machine)
		// The least of the cores decides what may run.
		if c.Arch == ArchUnknown || a != ArchUnknown && a.armVersion() < c.Arch.armVersion() {
			c.Arch = a
		}
		c.addCore(p)
	}
	if c.Arch == ArchUnknown {
		c.Arch = archOf(ProcessorInfo{}, b.Kernel.Machine)
	}
	if len(info.Processors) > 0 {
		c.Features = featuresOf(info.Processors, c.Arch)
		c.noFloat = len(info.Processors[0].Features) > 0 && !c.Features.VFP
	}
	if b.Model == "" {
		b.Model = info.Model
	}
	if b.Model == "" {
		b.Model = raspberryByRevision(info.Revision, info.Hardware)
	}
	if b.Maker == "" && strings.HasPrefix(b.Model, "Raspberry Pi ") {
		b.Maker = "Raspberry Pi"
	}
	if b.SoC == "" {
		b.SoC = info.Hardware
	}
}

func (c *CPU) addCore(p ProcessorInfo) {
	t := CoreType{Name: coreName(p), Implementer: p.Implementer, Part: p.Part}
	if t.Name == "" {
		return
	}
	for i, known := range c.Cores {
		if known.Name == t.Name && known.Part == t.Part {
			c.Cores[i].Count++
			return
		}
	}
	t.Count = 1
	c.Cores = append(c.Cores, t)
}

// armParts are the part numbers of Arm's own cores (implementer 0x41), from
// their technical reference manuals, main ID register.
func armParts() map[string]struct {
	name string
	arch Arch
} {
	type core = struct {
		name string
		arch Arch
	}
	return map[string]core{
		"0x926": {"ARM926", ARMv5}, "0x946": {"ARM946", ARMv5}, "0xa26": {"ARM1026", ARMv5},
		"0xb02": {"ARM11 MPCore", ARMv6}, "0xb36": {"ARM1136", ARMv6}, "0xb56": {"ARM1156", ARMv6}, "0xb76": {"ARM1176",
			ARMv6},
		"0xc05": {"Cortex-A5", ARMv7}, "0xc07": {"Cortex-A7", ARMv7}, "0xc08": {"Cortex-A8", ARMv7}, "0xc09": {"Cortex-A9",
			ARMv7},
		"0xc0d": {"Cortex-A12", ARMv7}, "0xc0e": {"Cortex-A17", ARMv7}, "0xc0f": {"Cortex-A15", ARMv7},
		"0xd01": {"Cortex-A32", ARMv8}, "0xd03": {"Cortex-A53", ARMv8}, "0xd04": {"Cortex-A35", ARMv8},
		"0xd05": {"Cortex-A55", ARMv8},
		"0xd07": {"Cortex-A57", ARMv8}, "0xd08": {"Cortex-A72", ARMv8}, "0xd09": {"Cortex-A73", ARMv8},
		"0xd0a": {"Cortex-A75", ARMv8},
		"0xd0b": {"Cortex-A76", ARMv8}, "0xd0c": {"Neoverse-N1", ARMv8}, "0xd0d": {"Cortex-A77", ARMv8},
		"0xd41": {"Cortex-A78", ARMv8},
		"0xd46": {"Cortex-A510", ARMv8}, "0xd47": {"Cortex-A710", ARMv8}, "0xd44": {"Cortex-X1", ARMv8},
		"0xd40": {"Neoverse-V1", ARMv8},
		"0xd49": {"Neoverse-N2", ARMv8}, "0xd4d": {"Cortex-A715", ARMv8}, "0xd80": {"Cortex-A520", ARMv8},
		"0xd81": {"Cortex-A720", ARMv8},
	}
}

func coreName(p ProcessorInfo) string {
	if p.Implementer == "0x41" || p.Implementer == "" && p.Part != "" {
		if core, ok := armParts()[p.Part]; ok {
			return core.name
		}
	}
	switch p.Implementer {
	case "0x56":
		return "Marvell " + p.Part
	case "0x51":
		return "Qualcomm " + p.Part
	case "0x61":
		return "Apple " + p.Part
	}
	if p.Part != "" {
		return "part " + p.Part + " of implementer " + p.Implementer
	}
	return p.ModelName
}

// archOf decides the architecture of a core. The part number counts most: an
// ARM1176 says "CPU architecture: 7", because its CP15 uses the new ID scheme,
// and is ARMv6 all the same. Then the name, then the number, then uname.
func archOf(p ProcessorInfo, machine string) Arch {
	if strings.HasPrefix(p.ISA, "rv64") || machine == "riscv64" {
		return RISCV64
	}
	if core, ok := armParts()[p.Part]; ok && (p.Implementer == "0x41" || p.Implementer == "") {
		return core.arch
	}
	name := p.ModelName
	for _, known := range []struct {
		text string
		arch Arch
	}{
		{"ARMv5", ARMv5}, {"ARMv6", ARMv6}, {"(v5l)", ARMv5}, {"(v6l)", ARMv6}, {"ARM926", ARMv5}, {"Feroceon", ARMv5},
		{"ARMv7", ARMv7}, {"(v7l)", ARMv7}, {"ARMv8", ARMv8}, {"AArch64", ARMv8}, {"(v8l)", ARMv8},
	} {
		if strings.Contains(name, known.text) {
			return known.arch
		}
	}
	switch {
	case strings.HasPrefix(p.Architecture, "5"):
		return ARMv5
	case strings.HasPrefix(p.Architecture, "6"):
		return ARMv6
	case p.Architecture == "7":
		return ARMv7
	case p.Architecture == "8", p.Architecture == "AArch64":
		return ARMv8
	}
	switch {
	case machine == "x86_64":
		return AMD64
	case machine == "i386", machine == "i486", machine == "i586", machine == "i686":
		return I386
	case machine == "aarch64":
		return ARMv8
	case strings.HasPrefix(machine, "armv5"):
		return ARMv5
	case strings.HasPrefix(machine, "armv6"):
		return ARMv6
	case strings.HasPrefix(machine, "armv7"):
		return ARMv7
	case strings.HasPrefix(machine, "armv8"):
		return ARMv8
	}
	return ArchUnknown
}

// featuresOf are the features that all processors have.
func featuresOf(all []ProcessorInfo, arch Arch) Features {
	every := func(names ...string) bool {
		for _, p := range all {
			found := false
			for _, n := range names {
				found = found || slices.Contains(p.Features, n)
			}
			if !found {
				return false
			}
		}
		return len(all) > 0
	}
	f := Features{
		NEON: every("neon", "asimd"), VFP: every("vfp", "vfpv3", "vfpv4", "fp"),
		AES: every("aes"), SHA1: every("sha1", "sha_ni"), SHA2: every("sha2", "sha_ni"),
		PMULL: every("pmull", "pclmulqdq"), IDIV: every("idiva", "idiv"),
	}
	if arch == ARMv8 || arch == AMD64 {
		// Part of the base instruction set, so the kernel need not list it.
		f.IDIV = true
	}
	return f
}

// countCores reads /sys/devices/system/cpu/present, a list such as "0-3,5"
// (Documentation/admin-guide/cputopology.rst). It is right where cpuinfo leaves
// sleeping cores out.
func countCores(present []byte) int {
	n := 0
	for _, part := range strings.Split(strings.TrimSpace(string(present)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil || a < 0 {
			return 0
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil || b < a {
				return 0
			}
		}
		if n += b - a + 1; n > maxProcessors {
			return 0
		}
	}
	return n
}

// maxClock is the fastest core's highest clock in hertz
// (Documentation/admin-guide/pm/cpufreq.rst: kilohertz), 0 when unknown.
func maxClock(f rootfs.FS) uint64 {
	const folder = "/sys/devices/system/cpu/"
	var fastest uint64
	for _, name := range f.Names(folder) {
		if n, ok := strings.CutPrefix(name, "cpu"); !ok || strings.Trim(n, "0123456789") != "" || n == "" {
			continue
		}
		if khz, err := strconv.ParseUint(f.Line(folder+name+"/cpufreq/cpuinfo_max_freq"), 10, 40); err == nil {
			fastest = max(fastest, khz*1000)
		}
	}
	return fastest
}
