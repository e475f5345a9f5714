package hwdetect

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Binary is what a program was built for.
type Binary struct {
	Path string `json:"path"`
	// Machine is the ELF machine, such as "arm" or "amd64".
	Machine string `json:"machine"`
	// Arch is the least CPU that can run it.
	Arch      Arch   `json:"arch"`
	GoVersion string `json:"goVersion,omitempty"`
	GOARM     string `json:"goarm,omitempty"`
	// Evidence says what Arch was recognized by.
	Evidence string `json:"evidence"`
}

// maxProgram is how much of a program is looked at, in bytes: eight times the largest
// kubelet.
const maxProgram = 1 << 30

// ReadBinary reads an ELF file; links are followed. A file that is no ELF, such
// as a wrapper script, is an error.
//
// A Go program without cgo carries no ARM attributes, and its ELF flags are the
// same for every GOARM; only the build settings tell (cmd/go, since Go 1.18). A
// C or cgo program has its attributes in a section of its own.
func ReadBinary(path string) (Binary, error) {
	f, err := safefile.Open(path)
	if err != nil {
		return Binary{Path: path}, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()
	b, err := readELF(io.NewSectionReader(f, 0, maxProgram))
	b.Path = path
	if err != nil {
		return b, fmt.Errorf("read program %s: %w", path, err)
	}
	return b, nil
}

func readELF(r io.ReaderAt) (Binary, error) {
	var b Binary
	f, err := elf.NewFile(r)
	if err != nil {
		return b, err
	}
	switch f.Machine {
	case elf.EM_X86_64:
		b.Machine, b.Arch, b.Evidence = "amd64", AMD64, "ELF machine"
	case elf.EM_386:
		b.Machine, b.Arch, b.Evidence = "386", I386, "ELF machine"
	case elf.EM_AARCH64:
		b.Machine, b.Arch, b.Evidence = "arm64", ARMv8, "ELF machine"
	case elf.EM_RISCV:
		b.Machine, b.Arch, b.Evidence = "riscv64", RISCV64, "ELF machine"
	case elf.EM_ARM:
		b.Machine = "arm"
	default:
		b.Machine, b.Evidence = strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_")), "ELF machine"
	}
	// Without the section, the search for Go's build information would read all
	// data of a C program.
	if f.Section(".go.buildinfo") != nil {
		if info, err := buildinfo.Read(r); err == nil {
			b.GoVersion = info.GoVersion
			for _, s := range info.Settings {
				if s.Key == "GOARM" {
					b.GOARM = s.Value
				}
			}
		}
	}
	if b.Machine != "arm" {
		return b, nil
	}
	version, _, _ := strings.Cut(b.GOARM, ",") // "6,softfloat"
	switch version {
	case "5", "6", "7":
		b.Arch, b.Evidence = Arch("ARMv"+version), "Go build settings, GOARM="+b.GOARM
		return b, nil
	}
	if s := f.Section(".ARM.attributes"); s != nil && s.Size <= rootfs.MaxFile {
		if text, err := s.Data(); err == nil {
			if a := parseARMAttributes(text); a != ArchUnknown {
				b.Arch, b.Evidence = a, "ARM attributes"
			}
		}
	}
	return b, nil
}

// target is what a program was built for, in a word.
func (p Binary) target() string {
	if p.Arch == ArchUnknown {
		return p.Machine
	}
	return p.Arch.String()
}

// machine is the machine type that the system's programs are of, in the words of
// ELF files here: the kernel's, or where that is not known the CPU's or that of the
// system's own programs; empty when none tells, as for an ARMv8 core, which may
// run a 32-bit system.
func (b Board) machine() string {
	m := b.Kernel.Machine
	switch {
	case m == "aarch64":
		return "arm64"
	case strings.HasPrefix(m, "arm"):
		return "arm"
	case m == "x86_64", m == "" && b.CPU.Arch == AMD64:
		return "amd64"
	case m == "i386", m == "i486", m == "i586", m == "i686", m == "" && b.CPU.Arch == I386:
		return "386"
	case m == "" && b.CPU.Arch == RISCV64:
		return "riscv64"
	case m == "" && b.CPU.Arch != ArchUnknown && b.CPU.Arch.armVersion() < 8:
		return "arm"
	case m == "":
		return b.systemMachine
	}
	return m
}

// runsMachine reports whether programs of a machine type run on a system of another:
// 64-bit ones of ARM and x86 also run 32-bit programs, if their kernel does.
func runsMachine(system, program string) bool {
	switch {
	case system == "arm64" && program == "arm", system == "amd64" && program == "386":
		return true
	}
	return strings.HasPrefix(system, program) || strings.HasPrefix(program, system) && program != "arm64"
}

// needsFloat reports whether a 32-bit ARM program uses a floating-point unit: with
// GOARM=6 and 7 Go's do, unless softfloat is added (go.dev/wiki/GoArm).
func (p Binary) needsFloat() bool {
	version, kind, _ := strings.Cut(p.GOARM, ",")
	return (version == "6" || version == "7") && kind != "softfloat" || version == "5" && kind == "hardfloat"
}

// IllegalInstructionError says that a program would die on this CPU.
type IllegalInstructionError struct {
	Binary Binary
	Board  Board
}

func (e *IllegalInstructionError) Error() string {
	var about []string
	if len(e.Board.CPU.Cores) > 0 {
		about = append(about, e.Board.CPU.Cores[0].Name)
	}
	if e.Board.Model != "" {
		about = append(about, e.Board.Model)
	}
	cpu := e.Board.CPU.Arch.String()
	if e.Board.CPU.Arch == ArchUnknown {
		return fmt.Sprintf("%s at %s was built for %s; this system is one of %s: it cannot run here",
			filepath.Base(e.Binary.Path), e.Binary.Path, e.Binary.target(), e.Board.machine())
	}
	if len(about) > 0 {
		cpu += " (" + strings.Join(about, ", ") + ")"
	}
	fate := "it would die with Illegal instruction"
	if e.Binary.Arch.armVersion() == 0 || e.Board.CPU.Arch.armVersion() == 0 || e.Binary.Machine == "arm64" {
		fate = "it cannot run here"
	}
	if e.Binary.Arch.armVersion() <= e.Board.CPU.Arch.armVersion() && e.Board.CPU.noFloat && e.Binary.needsFloat() {
		return fmt.Sprintf("%s at %s uses a floating-point unit (VFP), which this CPU, %s, lacks: %s",
			filepath.Base(e.Binary.Path), e.Binary.Path, cpu, fate)
	}
	return fmt.Sprintf("%s at %s was built for %s; this CPU is %s: %s", filepath.Base(e.Binary.Path), e.Binary.Path,
		e.Binary.target(), cpu, fate)
}

// Hint says what can be done.
func (e *IllegalInstructionError) Hint() string {
	cpu := ""
	switch v := e.Board.CPU.Arch.armVersion(); {
	case v == 5, v > 0 && e.Board.CPU.noFloat:
		return "install a build for this CPU, made with GOARM=5 on a PC with Go"
	case v == 6 || v == 7:
		cpu = fmt.Sprintf("armv%d", v)
	case v == 8:
		cpu = "arm64"
		if m := e.Board.Kernel.Machine; m != "" && m != "aarch64" {
			cpu = "armv7" // all that a 32-bit kernel runs
		}
	case e.Board.CPU.Arch == AMD64:
		cpu = "amd64"
	case e.Board.CPU.Arch == ArchUnknown:
		return "install the build of " + filepath.Base(e.Binary.Path) + " for " + e.Board.machine()
	default:
		return "install the build of " + filepath.Base(e.Binary.Path) + " for " + e.Board.CPU.Arch.String()
	}
	return "install a build for this CPU; on a PC with Go, this makes one, with all images: kubeadm-arm images build " +
		"--cpu " + cpu
}

// Runs reports whether the board's CPU can run a program; the error is an
// [*IllegalInstructionError]. What is not known is let pass: the kernel will
// judge.
func (b Board) Runs(p Binary) error {
	bad := &IllegalInstructionError{p, b}
	if machine := b.machine(); machine != "" && p.Machine != "" && !runsMachine(machine, p.Machine) {
		return bad
	}
	if p.Arch == ArchUnknown || b.CPU.Arch == ArchUnknown {
		return nil
	}
	need, have := p.Arch.armVersion(), b.CPU.Arch.armVersion()
	switch {
	case need == 0 && have == 0:
		if p.Arch == b.CPU.Arch || p.Arch == I386 && b.CPU.Arch == AMD64 {
			return nil
		}
		return bad
	case need == 0 || have == 0:
		return bad
	case need > have:
		return bad
	case b.CPU.noFloat && p.needsFloat():
		return bad
	case p.Machine == "arm64" && b.Kernel.Machine != "" && b.Kernel.Machine != "aarch64":
		return bad // an ARMv8 core under a 32-bit kernel
	}
	return nil
}
