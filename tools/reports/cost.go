package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// cost is one run of the benchmark on an emulated board.
type cost struct {
	label  string
	result bench.Result
}

// What the benchmark may cost, in seconds and bytes.
const (
	mostSeconds, mostShortSeconds = 20, 5
	mostMemory                    = 40e6
)

// writeCosts writes what the benchmark cost on emulated boards, if it ran on any.
func writeCosts(path string, costs []cost) error {
	if len(costs) == 0 {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What the benchmark costs\n\n%s, %s. Command: `make reports`. Wanted: at most %d s (the short "+
		"form, which init uses, %d s) and %.0f MB.\n\n",
		time.Now().UTC().Format("2006-01-02"), costs[0].result.Runtime.Version, mostSeconds, mostShortSeconds, mostMemory/1e6)
	fmt.Fprint(&b, "| board | form | took, s | CPU time, s | peak memory, MB | samples | left out for want of time | "+
		"|\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range costs {
		form, most := "whole", float64(mostSeconds)
		if c.result.Short {
			form, most = "short", mostShortSeconds
		}
		verdict := "ok"
		if c.result.Elapsed > most || float64(c.result.PeakMemory) > mostMemory {
			verdict = "**too much**"
		}
		left := 0
		for _, w := range c.result.Warnings {
			if w.Kind == bench.WarnUnfinished {
				left++
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f | %.1f | %.1f | %d | %d | %s |\n", c.label, form, c.result.Elapsed,
			c.result.CPU, float64(c.result.PeakMemory)/1e6, len(c.result.Samples), left, verdict)
	}
	return renameio.WriteFile(path, b.Bytes(), 0o644)
}
