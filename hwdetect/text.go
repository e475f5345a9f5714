package hwdetect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// Text writes a board for people.
func Text(w io.Writer, b Board) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			printable.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("model", b.Model)
	row("maker", b.Maker)
	row("SoC", b.SoC)
	row("architecture", b.CPU.Arch.String())
	var cores []string
	for _, c := range b.CPU.Cores {
		cores = append(cores, fmt.Sprintf("%d x %s", c.Count, c.Name))
	}
	row("cores", strings.Join(cores, ", "))
	if b.CPU.MaxHz > 0 {
		row("clock", fmt.Sprintf("%d MHz", b.CPU.MaxHz/1e6))
	}
	row("features", features(b.CPU.Features))
	row("memory", fmt.Sprintf("%d MiB, %d MiB available", b.MemoryTotal>>20, b.MemoryAvailable>>20))
	if b.SwapTotal > 0 {
		row("swap", fmt.Sprintf("%d MiB", b.SwapTotal>>20))
	}
	row("kernel", strings.TrimSpace(b.Kernel.Release+" "+b.Kernel.Machine))
	row("userland", b.Userland)
	row("runs in", b.Virtual)
	row("unknown", strings.Join(b.Unknown, ", "))
	return t.Flush()
}

func features(f Features) string {
	var all []string
	for _, x := range []struct {
		name string
		has  bool
	}{{"VFP", f.VFP}, {"NEON", f.NEON}, {"idiv", f.IDIV}, {"AES", f.AES}, {"SHA-1", f.SHA1}, {"SHA-2", f.SHA2}, {"PMULL",
		f.PMULL}} {
		if x.has {
			all = append(all, x.name)
		}
	}
	return strings.Join(all, ", ")
}

// ProgramsText writes for people what programs were built for, and whether the
// board can run them.
func ProgramsText(w io.Writer, b Board, all []Binary) error {
	if len(all) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printable.Fprintln(t)
	printable.Row(t, "program", "built for", "by")
	for _, p := range all {
		arch := p.Arch.String()
		if p.GOARM != "" {
			arch += " (GOARM=" + p.GOARM + ")"
		}
		if b.Runs(p) != nil {
			arch += ", cannot run here"
		}
		printable.Fprintf(t, "%s\t%s\t%s\n", p.Path, arch, p.GoVersion)
	}
	return t.Flush()
}
