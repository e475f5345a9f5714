package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// table prints the boards for people.
func (s *suite) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\nboard\tmodel\tcores\tarchitecture\tkernel\tboot and all")
	for _, r := range s.rows {
		fmt.Fprintf(t, "%s\t%s\t%d x %s\t%s\t%s\t%.0f s\n", r.board, r.found.Model, r.found.CPU.Count, r.coreName(),
			r.found.CPU.Arch, r.found.Kernel.Release, r.seconds)
	}
	t.Flush()
	fmt.Fprintf(w, "\n%d passed, %d failed\n", s.passed, s.failed)
}

func (r row) coreName() string {
	if len(r.found.CPU.Cores) == 0 {
		return "?"
	}
	return r.found.CPU.Cores[0].Name
}

// save writes the results as Markdown.
func (s *suite) save(path string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# What kubeadm-arm finds on emulated boards\n\n%s. Command: `make boards`. %s, Debian's "+
		"kernels, Kubernetes %s, %s, load %s.\n\n",
		time.Now().UTC().Format("2006-01-02"), emulatorVersion(), s.version, runtime.Version(), load())
	b.WriteString("Each board boots into memory with the kubeadm-arm that `make cross` built for its CPU; what " +
		"`kubeadm-arm detect` said:\n\n")
	b.WriteString("| board | model | cores | architecture | kernel | boot and all | CPU time of detect, first and " +
		"second call | of doctor |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range s.rows {
		fmt.Fprintf(&b, "| %s | %s | %d × %s | %s | %s | %.0f s | %.2f s, %.2f s | %.2f s |\n", r.board, r.found.Model,
			r.found.CPU.Count, r.coreName(), r.found.CPU.Arch, r.found.Kernel.Release, r.seconds,
			r.cpu, r.again, r.doctor)
	}
	b.WriteString("\nThe CPU time is by the emulated board's kernel; the first call's contains most of QEMU's work " +
		"of translating the program's code on a busy machine.\n")
	for _, r := range s.rows {
		if r.counted > 0 {
			fmt.Fprintf(&b, "With the board's clock counting instructions, 2 ns each (a 1 GHz core that needs two "+
				"clocks for one), `detect` takes %.0f ms on one Cortex-A7 core; under 100 ms is "+
				"wanted.\n", r.counted*1e3)
		}
	}
	b.WriteString("\nWhat `kubeadm-arm doctor` found there, where nothing runs but a kernel and kubeadm-arm:\n\n| " +
		"board | would make init fail | warnings |\n|---|---|---|\n")
	for _, r := range s.rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.board, strings.Join(r.fails, ", "), strings.Join(r.warnings, ", "))
	}
	fmt.Fprintf(&b, "\nOn the Raspberry Pi Model B the real kubeadm %s built with GOARM=7 dies of SIGILL; one built "+
		"with GOARM=6 runs, also by way of kubeadm-arm.\nThe former is refused by `kubeadm-arm version`, `init` and "+
		"`join` with exit code %d:\n\n    %s\n\n%d checks passed, %d failed.\n",
		s.version, exitIllegal, strings.ReplaceAll(s.refusal, "\n", "\n    "), s.passed, s.failed)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func emulatorVersion() string {
	out, err := exec.Command("qemu-system-arm", "--version").Output()
	if err != nil {
		return "QEMU"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " (")
	return strings.Replace(line, "QEMU emulator version", "QEMU", 1)
}

// load is how busy the machine is: the average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%s on %d cores", strings.Fields(string(text))[0], runtime.NumCPU())
}
