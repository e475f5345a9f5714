package doctor

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
)

// programs are judged by what they were built for. A kubectl or docker for
// another CPU is a nuisance; the others stop the cluster.
func programs(f Facts) []Finding {
	var all []Finding
	for _, p := range f.Host.Programs {
		err := f.Board.Runs(p)
		if err == nil {
			continue
		}
		name := filepath.Base(p.Path)
		found := Finding{
			ID: "program-" + name, Severity: Fail, Seen: err.Error(),
			Means: "starting it ends at once, with nothing in a log but a signal",
		}
		switch name {
		case "kubectl", "docker", "dockerd", "etcd", "crictl", "crio":
			found.Severity = Warning
		}
		var bad *hwdetect.IllegalInstructionError
		if errors.As(err, &bad) {
			found.Fix = []string{"# " + bad.Hint()}
		}
		all = append(all, found)
	}
	if len(all) == 0 && len(f.Host.Programs) > 0 {
		names := make([]string, len(f.Host.Programs))
		for i, p := range f.Host.Programs {
			names[i] = filepath.Base(p.Path)
		}
		return fine("programs", "built for this CPU: "+strings.Join(names, ", "))
	}
	return all
}

// cpuCount is as kubeadm counts, or as the board's files tell.
func (f Facts) cpuCount() int {
	if f.CPUs > 0 {
		return f.CPUs
	}
	return f.Board.CPU.Count
}

func cpus(f Facts) []Finding {
	n := f.cpuCount()
	switch {
	case n == 0:
		return nil
	case n >= 2:
		return fine("cpus", fmt.Sprintf("%d CPUs", n))
	}
	return one(Finding{
		ID: "cpus", Severity: Fail, Seen: "one CPU; kubeadm wants two", Checks: []string{"NumCPU"},
		Means: "kubeadm's preflight refuses it. The control plane runs on one core, too, staged and scaled by " +
			"kubeadm-arm; it takes its time",
		Fix: []string{"kubeadm-arm init --ignore-preflight-errors=" + f.ignoring("NumCPU")},
	})
}

// ignoring joins a check to those that the owner ignores already, and to the
// others that small boards fail, so that the line to paste is the whole one.
func (f Facts) ignoring(check string) string {
	list := append([]string{}, f.Ask.Ignore...)
	for _, c := range []string{"NumCPU", "Mem"} {
		fails := c == check || c == "NumCPU" && f.cpuCount() == 1 || c == "Mem" && f.shortOfMemory()
		if fails && !(Finding{ID: c}).ignoredBy(list) {
			list = append(list, c)
		}
	}
	if check != "" && !(Finding{ID: check}).ignoredBy(list) {
		list = append(list, check)
	}
	return strings.Join(list, ",")
}

func (f Facts) shortOfMemory() bool {
	least := number(f.Kubeadm.Value(memoryCheck))
	return least > 0 && f.Board.MemoryTotal > 0 && f.Board.MemoryTotal>>20 < uint64(least)
}

// needMemory is what was in use after init on an emulated 32-bit board with
// Kubernetes v1.37, kernel and container runtime included, in bytes; with room
// for one small pod it is tightMemory.
const (
	needMemory  = 293 << 20
	tightMemory = 600 << 20
)

func memory(f Facts) []Finding {
	total, available := f.Board.MemoryTotal, f.Board.MemoryAvailable
	if total == 0 {
		return nil
	}
	var all []Finding
	seen := fmt.Sprintf("%d MiB of memory, %d MiB available", total>>20, available>>20)
	if f.shortOfMemory() {
		all = append(all, Finding{
			ID: "memory", Severity: Fail, Seen: seen + "; kubeadm wants " + f.Kubeadm.Value(memoryCheck),
			Checks: []string{"Mem"},
			Means: fmt.Sprintf("kubeadm's preflight refuses it. Measured on an emulated 1 GiB board with Kubernetes v1.37: "+
				"%d MiB in use with the whole control plane up", needMemory>>20),
			Fix: []string{"kubeadm-arm init --ignore-preflight-errors=" + f.ignoring("Mem")},
		})
	}
	switch {
	case available > 0 && available < needMemory && !f.clusterHere() && !f.Resuming:
		all = append(all, Finding{
			ID: "memory-available", Severity: Warning, Seen: seen,
			Means: fmt.Sprintf("a control plane needs about %d MiB; the kernel will kill some part of it for lack of memory",
				needMemory>>20),
			Fix: []string{"ps -eo rss,comm --sort=-rss | head    # what uses it; stop what is not needed"},
		})
	case total < tightMemory:
		all = append(all, Finding{
			ID: "memory-tight", Severity: Warning, Seen: seen,
			Means: fmt.Sprintf("a control plane alone takes about %d MiB, so there is no room for much else; such a board is "+
				"a better worker", needMemory>>20),
			Fix: []string{"kubeadm-arm init --profile=frugal"},
		})
	}
	if len(all) == 0 {
		return fine("memory", seen)
	}
	return all
}

func power(f Facts) []Finding {
	switch {
	case f.Host.Power.LowVoltage:
		return one(Finding{
			ID: "power", Severity: Warning, Seen: "the firmware saw the supply voltage too low since the board's start",
			Means: "the CPU is slowed down under load, and writes to the card can be lost",
			Fix: []string{"# use a stronger power supply and a short cable, then look again:", "vcgencmd get_throttled    " +
				"# 0x0 is good"},
		})
	case f.Host.Power.Throttled:
		return one(Finding{
			ID: "power", Severity: Warning, Seen: "the firmware slowed the CPU down since the board's start",
			Means: "too hot, or too little power: measurements and waits will be wrong",
			Fix:   []string{"# cool the board, then look again:", "vcgencmd get_throttled    # 0x0 is good"},
		})
	}
	return nil
}
