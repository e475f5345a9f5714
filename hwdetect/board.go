package hwdetect

import (
	"os"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// Board is what a board is. Sizes are in bytes, clocks in hertz. It holds no
// serial number and no address.
type Board struct {
	// Model is as the maker wrote it, such as "Raspberry Pi Model B Rev 2".
	Model string `json:"model,omitempty"`
	Maker string `json:"maker,omitempty"`
	SoC   string `json:"soc,omitempty"`
	// Compatible are the device tree's names, the most special first.
	Compatible      []string `json:"compatible,omitempty"`
	CPU             CPU      `json:"cpu"`
	MemoryTotal     uint64   `json:"memoryTotal,omitempty"`
	MemoryAvailable uint64   `json:"memoryAvailable,omitempty"`
	SwapTotal       uint64   `json:"swapTotal"`
	Kernel          Kernel   `json:"kernel"`
	// Userland is the architecture of the programs, where it differs from the
	// kernel's: "32-bit".
	Userland string `json:"userland,omitempty"`
	// Virtual names the hypervisor or emulator, empty on a real board.
	Virtual string `json:"virtual,omitempty"`
	// systemMachine is what the system's own programs were built for, where no
	// kernel reports.
	systemMachine string
	// Unknown lists what could not be found out.
	Unknown []string `json:"unknown,omitempty"`
}

// CPU is the processor.
type CPU struct {
	// Arch is what the CPU really has, which is not always what it says.
	Arch      Arch       `json:"arch"`
	ModelName string     `json:"modelName,omitempty"`
	Cores     []CoreType `json:"cores,omitempty"`
	// Count is how many cores there are, MaxHz the fastest one's clock.
	Count    int      `json:"count"`
	MaxHz    uint64   `json:"maxHz,omitempty"`
	Features Features `json:"features"`
	// noFloat is set when the kernel lists the features, and no floating-point
	// unit among them.
	noFloat bool
}

// CoreType is one kind of core; big.LITTLE boards have two and more.
type CoreType struct {
	Name        string `json:"name"`
	Implementer string `json:"implementer,omitempty"`
	Part        string `json:"part,omitempty"`
	Count       int    `json:"count"`
}

// Features are those that make a difference to Kubernetes' speed or life.
type Features struct {
	NEON  bool `json:"neon"`
	VFP   bool `json:"vfp"`
	AES   bool `json:"aes"`
	SHA1  bool `json:"sha1"`
	SHA2  bool `json:"sha2"`
	PMULL bool `json:"pmull"`
	IDIV  bool `json:"idiv"`
}

// ARM32 reports whether the board's programs, and so its containers, are for 32-bit
// ARM: by the kernel, or by the CPU where the kernel does not report. An ARMv8 core may
// run a 32-bit kernel, or 32-bit programs under its 64-bit kernel; then containerd
// pulls images for its own architecture.
func (b Board) ARM32() bool {
	switch machine := b.Kernel.Machine; {
	case strings.HasPrefix(machine, "arm"): // armv6l, armv7l, armv8l
		return true
	case machine == "aarch64":
		return b.Userland == "32-bit"
	case machine != "":
		return false
	}
	return slices.Contains([]Arch{ARMv5, ARMv6, ARMv7}, b.CPU.Arch)
}

// Kernel is what uname(2) says.
type Kernel struct {
	Release string `json:"release,omitempty"`
	Machine string `json:"machine,omitempty"`
}

// Read reads the board's files below root, which is "/" but for tests. Files
// that are missing lead to entries in Unknown, never to an error; the error is
// for a root that cannot be read at all.
func Read(root string) (Board, error) {
	if _, err := os.Stat(root); err != nil {
		return Board{}, err
	}
	var b Board
	f := rootfs.Of(root)
	file := f.Read
	info := ParseCPUInfo(strings.NewReader(string(file("proc/cpuinfo"))))
	if mem, err := linux.ParseMeminfo(file("proc/meminfo")); err == nil {
		b.MemoryTotal, b.MemoryAvailable, b.SwapTotal = mem.Total, mem.Available, mem.SwapTotal
	}
	b.Kernel = readKernel(f)
	b.deviceTree(deviceStrings(file("proc/device-tree/model")), deviceStrings(file("proc/device-tree/compatible")))
	if b.Model == "" {
		b.pc(strings.TrimSpace(string(file("sys/class/dmi/id/sys_vendor"))),
			strings.TrimSpace(string(file("sys/class/dmi/id/product_name"))))
	}
	b.cpu(info)
	if n := countCores(file("sys/devices/system/cpu/present")); n > 0 {
		b.CPU.Count = n
	}
	b.CPU.MaxHz = maxClock(f)
	b.Userland = userland(f, b.Kernel.Machine)
	if b.Kernel.Machine == "" {
		b.systemMachine = systemMachine(f)
	}
	b.Virtual = virtual(b, info, string(file("proc/device-tree/hypervisor/compatible")))
	b.gaps()
	return b, nil
}

// gaps names what could not be found out.
func (b *Board) gaps() {
	for _, g := range []struct {
		name    string
		missing bool
	}{
		{"model", b.Model == ""},
		{"CPU architecture", b.CPU.Arch == ArchUnknown},
		{"core type", len(b.CPU.Cores) == 0},
		{"number of cores", b.CPU.Count == 0},
		{"memory", b.MemoryTotal == 0},
		{"kernel", b.Kernel.Release == ""},
	} {
		if g.missing {
			b.Unknown = append(b.Unknown, g.name)
		}
	}
}
