package main

import (
	"fmt"
	"strings"
	"time"
)

// board is a board to calibrate on: one with counted time, or a throttled one.
type board struct {
	name string
	// speed is that of a board with counted time (lab up --speed), empty for a throttled one.
	speed string
	// share is in cores of this machine.
	share float64
	cpus  int
	// flush is how long the disk takes to write its cache, 0 for this machine's.
	flush time.Duration
}

func (b board) counted() bool { return b.speed != "" }

// boards are those of the model's data. A board with counted time is the same on every
// machine, so they cover the speeds; throttled boards add what QEMU cannot give: several
// cores, the speed of this machine, and a disk that takes its time.
func boards() []board {
	var all []board
	for _, factor := range []string{"*4", "*2", "", "/2", "/4", "/8"} {
		name := strings.NewReplacer("*", "-x", "/", "-d").Replace("counted-bananapi" + factor)
		all = append(all, board{name: name, speed: "bananapi" + factor, share: 1, cpus: 1})
	}
	for _, share := range []float64{1, 0.5, 0.25} {
		for _, cpus := range []int{1, 2} {
			all = append(all, board{name: fmt.Sprintf("cpu-%03.0f-%dcore", 100*share, cpus), share: share, cpus: cpus})
		}
	}
	return append(all,
		board{name: "cpu-200-2core", share: 2, cpus: 2},
		board{name: "cpu-025-slow-disk", share: 0.25, cpus: 2, flush: 20 * time.Millisecond},
		board{name: "cpu-010-slow-disk", share: 0.1, cpus: 2, flush: 20 * time.Millisecond},
	)
}

// up are the flags of lab up.
func (b board) up() []string {
	if b.counted() {
		return []string{"--board", "amd64", "--speed", b.speed}
	}
	args := []string{"--cpu", fmt.Sprintf("%.0f%%", 100*b.share), "--cpus", fmt.Sprint(b.cpus)}
	if b.share < 1 {
		args = append(args, "--pace") // the benchmark's minute and the bootstrap's are to be alike
	}
	if b.flush > 0 {
		args = append(args, "--disk-flush", b.flush.String())
	}
	return args
}

// label is the report's.
func (b board) label() string {
	if b.counted() {
		return "one core with counted time, as fast as " + b.speed
	}
	text := fmt.Sprintf("%.0f %% of one core, on %d", 100*b.share, b.cpus)
	if b.flush > 0 {
		text += fmt.Sprintf(", a disk that needs %s to write its cache", b.flush)
	}
	return text
}
