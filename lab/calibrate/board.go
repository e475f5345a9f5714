package main

import (
	"fmt"
	"time"
)

// board is a throttled board to calibrate on.
type board struct {
	name string
	// share is in cores of this machine.
	share float64
	cpus  int
	// period of the CFS quota, 0 for the kernel's 100 ms.
	period time.Duration
	// flush is how long the disk takes to write its cache, 0 for this machine's.
	flush time.Duration
}

// throttledBoards are those of the model's data: slower and slower on one core
// and on two, with a quota that is dealt out in finer slices, and with a disk
// that takes its time.
func throttledBoards() []board {
	var all []board
	for _, share := range []float64{1, 0.5, 0.25, 0.1, 0.05, 0.03} {
		for _, cpus := range []int{1, 2} {
			all = append(all, board{name: fmt.Sprintf("cpu-%03.0f-%dcore", 100*share, cpus), share: share, cpus: cpus})
		}
	}
	return append(all,
		board{name: "cpu-200-2core", share: 2, cpus: 2},
		board{name: "cpu-010-period-20ms", share: 0.1, cpus: 2, period: 20 * time.Millisecond},
		board{name: "cpu-005-period-20ms", share: 0.05, cpus: 1, period: 20 * time.Millisecond},
		board{name: "cpu-025-slow-disk", share: 0.25, cpus: 2, flush: 20 * time.Millisecond},
		board{name: "cpu-010-slow-disk", share: 0.1, cpus: 2, flush: 20 * time.Millisecond},
	)
}

// up are the flags of lab up.
func (b board) up() []string {
	args := []string{"--cpu", fmt.Sprintf("%.0f%%", 100*b.share), "--cpus", fmt.Sprint(b.cpus)}
	if b.share < 1 {
		args = append(args, "--pace") // the benchmark's minute and the bootstrap's are to be alike
	}
	if b.period > 0 {
		args = append(args, "--period", b.period.String())
	}
	if b.flush > 0 {
		args = append(args, "--disk-flush", b.flush.String())
	}
	return args
}

// label is the report's.
func (b board) label() string {
	text := fmt.Sprintf("%.0f %% of one core, on %d", 100*b.share, b.cpus)
	if b.period > 0 {
		text += fmt.Sprintf(", dealt out every %s", b.period)
	}
	if b.flush > 0 {
		text += fmt.Sprintf(", a disk that needs %s to write its cache", b.flush)
	}
	return text
}
