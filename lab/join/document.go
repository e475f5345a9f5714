package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// document is the trials as Markdown: medians, then every join.
func document(all []trial) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Boards that join a cluster, %s

Boards of lab in one network, with shares of a core: of this machine's, or of one emulated board's that all of them are
in, whose counted clock makes them as slow beside other work as alone. Times are seconds of that clock: the command's,
and those until the API server says Ready and the kubelet has renewed its lease since. Restarts are those of the control
plane's components and of the joining board's kubelet. At the end a pod on each board asked the pods of all others, the
service of all twenty times, and DNS for its name.

    make join
    make ha
`, time.Now().UTC().Format(time.DateOnly))
	for _, ha := range []bool{false, true} {
		some := slices.DeleteFunc(slices.Clone(all), func(t trial) bool { return t.HA != ha })
		if len(some) == 0 {
			continue
		}
		if ha {
			b.WriteString("\n## Two more control planes\n\n" +
				"Each trial that worked ended with as many voters of etcd as boards. Of those with kubeadm-arm one board\n" +
				"was then reset, and was no member of etcd any more.\n")
		} else {
			b.WriteString("\n## A worker\n")
		}
		medians(&b, some)
		every(&b, some)
	}
	return b.String()
}

// group is trials of equal boards and versions.
type group struct{ version, core, first, others, tool string }

func (t trial) group() group {
	if t.Clock == "" {
		return group{t.Version, "this machine's", t.First, t.Others, t.Tool}
	}
	return group{t.Version, t.Clock, t.First, t.Others, t.Tool}
}

func medians(b *strings.Builder, all []trial) {
	b.WriteString("\nMedians of the trials that worked:\n\n| Kubernetes | core | first board | others | tool | worked " +
		"| init, s | join, s | Ready, s | CPU s | CPU s of the first board | restarts, most |\n" +
		strings.Repeat("|---", 12) + "|\n")
	var groups []group
	for _, t := range all {
		if !slices.Contains(groups, t.group()) {
			groups = append(groups, t.group())
		}
	}
	for _, g := range groups {
		var inits, seconds, ready, cpu, first []float64
		tried, worked, restarts := 0, 0, 0
		for _, t := range all {
			if t.group() != g {
				continue
			}
			tried++
			for _, j := range t.Joins {
				restarts = max(restarts, sum(j.Restarts)+sum(j.FirstRestarts))
			}
			if t.Failed != "" {
				continue
			}
			worked++
			inits = append(inits, t.Init)
			for _, j := range t.Joins {
				seconds, ready = append(seconds, j.Seconds), append(ready, j.ReadySeconds)
				cpu, first = append(cpu, j.CPUSeconds), append(first, j.FirstCPUSeconds)
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d of %d | %.0f | %.1f | %.1f | %.1f | %.1f | %d |\n", g.version, g.core,
			g.first, g.others, g.tool, worked, tried, median(inits), median(seconds), median(ready), median(cpu), median(first),
			restarts)
	}
}

func every(b *strings.Builder, all []trial) {
	b.WriteString("\nEvery join:\n\n| Kubernetes | tool | board | outcome | join, s | Ready, s | restarts " +
		"| of the first board |\n" + strings.Repeat("|---", 8) + "|\n")
	for _, t := range all {
		for _, j := range t.Joins {
			outcome := "worked"
			if j.Failed != "" {
				outcome = cell(j.Failed)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %.1f | %.1f | %s | %s |\n", t.Version, t.Tool,
				j.Board[strings.LastIndexByte(j.Board, '-')+1:], outcome, j.Seconds, j.ReadySeconds, list(j.Restarts),
				list(j.FirstRestarts))
		}
		if t.Failed != "" && (len(t.Joins) == 0 || t.Joins[len(t.Joins)-1].Failed == "") {
			fmt.Fprintf(b, "| %s | %s | | %s | | | | |\n", t.Version, t.Tool, cell(t.Failed))
		}
	}
}

func sum(m map[string]int) (n int) {
	for _, x := range m {
		n += x
	}
	return n
}

// list is what was started again.
func list(m map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] > 0 {
			all = append(all, fmt.Sprintf("%s %d", name, m[name]))
		}
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// cell is text in a table: one line without bars.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
}
