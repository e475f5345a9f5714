package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// emulated is a board that lab boots in QEMU.
type emulated struct {
	name, label string
	board       string // lab's name
	program     string // what make cross calls its CPU
}

func emulatedBoards(lab, dist string, costs *[]cost) []board {
	var list []board
	for _, e := range []emulated{
		{"emulated-raspberry-pi-1", "Raspberry Pi Model B (ARM1176), emulated", "raspberrypi1", "armv6"},
		{"emulated-cubieboard", "CubieBoard (Cortex-A8), emulated", "cubieboard", "armv7"},
		{"emulated-banana-pi", "two Cortex-A7 cores as on a Banana Pi, emulated", "bananapi", "armv7"},
		{"emulated-orange-pi-pc", "Orange Pi PC (four Cortex-A7), emulated", "orangepi", "armv7"},
		{"emulated-raspberry-pi-2", "Raspberry Pi 2 Model B (four Cortex-A7), emulated", "raspberrypi2", "armv7"},
		{"emulated-raspberry-pi-3", "Raspberry Pi 3 Model B (four Cortex-A53), emulated", "raspberrypi3", "arm64"},
		{"emulated-rk3328", "four Cortex-A53 as on a ROC-RK3328-CC, emulated", "rk3328", "arm64"},
	} {
		list = append(list, board{e.name, e.label,
			func(ctx context.Context) ([]byte, error) { return e.measure(ctx, lab, dist, costs) }})
	}
	return list
}

// measure runs kubeadm-arm bench on the board, the short form and then the
// whole. There is no disk: what one measured in memory would say nothing.
func (e emulated) measure(ctx context.Context, lab, dist string, costs *[]cost) ([]byte, error) {
	program := "kubeadm-arm=" + filepath.Join(dist, "kubeadm-arm-linux-"+e.program)
	bench := []string{"--", "kubeadm-arm", "bench", "--folder=", "-o", "json"}
	args := append([]string{"boot", "--json", "--board", e.board, "--bin", program}, append(bench, "--short")...)
	cmd := exec.CommandContext(ctx, lab, append(args, bench...)...)
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("measure on %s: %w\n%s", e.board, err, words.String())
	}
	var results []struct {
		ExitCode       int
		Stdout, Stderr string
	}
	if err := json.Unmarshal(out, &results); err != nil || len(results) != 2 {
		return nil, fmt.Errorf("measure on %s: read what lab boot printed: %d results: %w", e.board, len(results), err)
	}
	for _, r := range results {
		if r.ExitCode != 0 {
			return nil, fmt.Errorf("measure on %s: exit code %d\n%s", e.board, r.ExitCode, r.Stderr)
		}
		one, err := report.Parse([]byte(r.Stdout))
		if err != nil {
			return nil, err
		}
		*costs = append(*costs, cost{e.label, *one.Bench})
	}
	return []byte(results[1].Stdout), nil
}
