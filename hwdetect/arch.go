package hwdetect

import "fmt"

// Arch is an instruction set architecture, as the CPU has it or as a program
// needs it.
type Arch string

// The architectures that Kubernetes was ever built for on small boards.
const (
	ArchUnknown Arch = ""
	ARMv5       Arch = "ARMv5"
	ARMv6       Arch = "ARMv6"
	ARMv7       Arch = "ARMv7"
	ARMv8       Arch = "ARMv8"
	AMD64       Arch = "AMD64"
	I386        Arch = "386"
	RISCV64     Arch = "RISC-V"
)

func (a Arch) String() string {
	if a == ArchUnknown {
		return "unknown"
	}
	return string(a)
}

// armVersion is 5 to 8 for ARM, 0 for others.
func (a Arch) armVersion() int {
	var v int
	if _, err := fmt.Sscanf(string(a), "ARMv%d", &v); err != nil {
		return 0
	}
	return v
}
