package main

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"text/tabwriter"
)

// printTable is the demo's result.
func printTable(w io.Writer, place, version string, runs []run) {
	fmt.Fprintf(w, "\nKubernetes %s on %s\n\n", version, place)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "command\toutcome\ttime\tnode Ready after\tCPU\trestarts")
	for _, r := range runs {
		outcome, ready := "failed", "-"
		if r.Invalid != "" {
			outcome = "not valid"
		}
		if r.OK && r.Invalid == "" {
			outcome, ready = "worked", fmt.Sprintf("%.1f s", r.ReadySeconds)
			if !r.NodeReady {
				ready = "never"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f s\t%s\t%.1f s\t%d\n", r.Tool, outcome, r.Seconds, ready, r.CPUSeconds,
			total(r.Restarts))
	}
	t.Flush()
	for _, r := range runs {
		if r.Idle != nil && r.Idle.Cores > 0 {
			fmt.Fprintf(w, "\n%s: the idle board is %.0f %% busy\n", r.Tool, 100*r.Idle.share())
		}
		if len(r.SliceCosts) > 0 {
			fmt.Fprintf(w, "\n%s: work in this board's slices cost %s\n", r.Tool, sliceCosts(r))
		}
		if r.Reboot != nil {
			fmt.Fprintf(w, "\nafter a power cut: started in %.0f s, API server ready %s, node %s\n", r.Reboot.UpSeconds,
				r.Reboot.since(r.Reboot.ReadySeconds), r.Reboot.since(r.Reboot.NodeSeconds))
		}
		for _, words := range r.LastWords {
			fmt.Fprintf(w, "\n%s: %s\n", r.Tool, words)
		}
		if !r.OK {
			fmt.Fprintf(w, "\n%s said: %s\n", r.Tool, r.Reason)
		}
	}
}

// sliceCosts says what CPU time in slices was worth.
func sliceCosts(r run) string {
	sorted := slices.Sorted(slices.Values(r.SliceCosts))
	return fmt.Sprintf("%.2f times the CPU time that it costs in one go (%.2f to %.2f)", medianNumber(sorted),
		sorted[0], sorted[len(sorted)-1])
}

func total(m map[string]int) int {
	n := 0
	for _, x := range m {
		n += x
	}
	return n
}

// median is of the times of a tool's successful runs, 0 without one.
func median(runs []run, tool string) float64 {
	var all []float64
	for _, r := range runs {
		if r.Tool == tool && r.OK && r.Invalid == "" {
			all = append(all, r.Seconds)
		}
	}
	return medianNumber(all)
}

// medianNumber sorts its argument; 0 without one.
func medianNumber(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sort.Float64s(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
