package diagnose

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/podlog"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A Finding is something seen on the board that may explain a failure.
type Finding struct {
	// What was seen, in one line.
	What string `json:"what"`
	// Next is what to do about it; empty when that is not for the owner to do.
	Next string `json:"next,omitempty"`
}

// slowWrite is the mean time of a write in seconds from which the disk is named:
// etcd wants its log on the disk within 10 ms.
const slowWrite = 0.1

// find returns the first match of each clue.
func find(text string, clues []clue, about string) []Finding {
	var all []Finding
	seen := map[string]bool{}
	for _, c := range clues {
		at := c.line.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		f := Finding{
			What: printable.Brief(about + string(c.line.ExpandString(nil, c.what, text, at))),
			Next: printable.Brief(string(c.line.ExpandString(nil, c.next, text, at))),
		}
		if !seen[f.What] {
			seen[f.What] = true
			all = append(all, f)
		}
	}
	return all
}

// Explain looks for what may have made a run fail, the most telling first.
// logsBefore is a journal's; logs returns the last lines of a systemd unit's log and may be nil.
func Explain(l state.Layout, before Pressure, logsBefore map[string]int, logs func(unit string) string) []Finding {
	var all []Finding
	now := ReadPressure(l)
	kernel := find(kernelLog(l, before.uptime), kernelClues(), "")
	if n := now.oomKills - before.oomKills; now.oomKills > before.oomKills {
		inLog := func(f Finding) bool { return strings.Contains(f.What, "want of memory") }
		if !slices.ContainsFunc(kernel, inLog) {
			all = append(all, Finding{fmt.Sprintf("the kernel killed %d processes for want of memory during the run", n),
				"stop what else runs on the board, or add swap with failSwapOn: false"})
		}
	}
	all = append(all, kernel...)
	if now.undervoltage {
		all = append(all, Finding{"the firmware saw the supply voltage too low since the board's start",
			"use a stronger power supply and a short cable"})
	}
	if logs != nil {
		all = append(all, find(looksAround.ReplaceAllString(logs("kubelet"), ""), kubeletClues(), "")...)
		all = append(all, find(logs("containerd"), kubeletClues()[:2], "")...)
	}
	for _, c := range plan.Components() {
		log := podlog.Read(l.PodLogs(), c, logsBefore)
		clues := serverClues()
		if c == plan.Etcd {
			clues = append(etcdClues(), clues...)
		}
		if log.Newest != "" {
			all = append(all, find(strings.Join(podlog.LastLines(log.Newest, 200), "\n"), clues, c+": ")...)
		}
		if log.Instances > 1 {
			all = append(all, Finding{What: fmt.Sprintf("%s was started %d times", c, log.Instances)})
		}
	}
	if n := now.disks.Writes - before.disks.Writes; now.disks.Writes > before.disks.Writes && n >= 100 {
		if mean := (now.disks.Seconds - before.disks.Seconds) / float64(n); mean > slowWrite {
			all = append(all, Finding{fmt.Sprintf("a write to the disk took %.0f ms on average", mean*1000),
				"put etcd on a faster disk: an SSD or a RAID instead of the card"})
		}
	}
	if now.tooHot {
		all = append(all, Finding{"the firmware slowed the CPU down since the board's start: too hot, or too little power",
			"cool the board, or use a stronger power supply"})
	}
	if s := now.throttled - before.throttled; s > 1 {
		all = append(all, Finding{What: fmt.Sprintf("a CPU quota held the board back for %.0f s", s)})
	}
	return all
}

// APIServerLog is what the API server said last, for a failure of kubeadm that
// talks to it.
func APIServerLog(l state.Layout, logsBefore map[string]int) (lines []string, path string) {
	log := podlog.Read(l.PodLogs(), plan.APIServer, logsBefore)
	if log.Newest == "" {
		return nil, ""
	}
	lines = podlog.LastLines(log.Newest, 8)
	for i, line := range lines {
		lines[i] = printable.Brief(kubeadm.Redact(line))
	}
	return lines, filepath.Clean(log.Newest)
}
