package hwdetect

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"strings"

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
	// Evidence says how Arch was told.
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
	if s := f.Section(".ARM.attributes"); s != nil && s.Size <= maxFile {
		if text, err := s.Data(); err == nil {
			if a := parseARMAttributes(text); a != ArchUnknown {
				b.Arch, b.Evidence = a, "ARM attributes"
			}
		}
	}
	return b, nil
}

// needsFloat tells whether a 32-bit ARM program uses a floating-point unit: with
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
	if len(about) > 0 {
		cpu += " (" + strings.Join(about, ", ") + ")"
	}
	fate := "it would die with Illegal instruction"
	if e.Binary.Arch.armVersion() == 0 || e.Board.CPU.Arch.armVersion() == 0 || e.Binary.Machine == "arm64" {
		fate = "it cannot run here"
	}
	if e.Binary.Arch.armVersion() <= e.Board.CPU.Arch.armVersion() && e.Board.CPU.noFloat && e.Binary.needsFloat() {
		return fmt.Sprintf("%s at %s uses a floating-point unit (VFP), which this CPU, %s, lacks: %s", filepath.Base(e.Binary.Path), e.Binary.Path, cpu, fate)
	}
	return fmt.Sprintf("%s at %s was built for %s; this CPU is %s: %s", filepath.Base(e.Binary.Path), e.Binary.Path, e.Binary.Arch, cpu, fate)
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
	default:
		return "install the build of " + filepath.Base(e.Binary.Path) + " for " + e.Board.CPU.Arch.String()
	}
	return "install a build for this CPU; on a PC with Go, this makes one, with all images: kubeadm-arm images build --cpu " + cpu
}

// Runs tells whether the board's CPU can run a program; the error is an
// [*IllegalInstructionError]. What is not known is let pass: the kernel will
// judge.
func (b Board) Runs(p Binary) error {
	if p.Arch == ArchUnknown || b.CPU.Arch == ArchUnknown {
		return nil
	}
	bad := &IllegalInstructionError{p, b}
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
