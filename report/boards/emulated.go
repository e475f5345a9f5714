package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// emulated is a board that lab boots in QEMU.
type emulated struct {
	name, label string
	board       string // lab's name
}

func emulatedBoards(work string) []board {
	var list []board
	for _, e := range []emulated{
		{"emulated-raspberry-pi-1", "Raspberry Pi Model B, emulated", "raspberrypi1"},
		{"emulated-cubieboard", "CubieBoard (Cortex-A8), emulated", "cubieboard"},
		{"emulated-cortex-a7", "two Cortex-A7 cores as on a Banana Pi, emulated", "bananapi"},
	} {
		list = append(list, board{e.name, e.label, func(ctx context.Context) ([]byte, error) { return e.measure(ctx, work) }})
	}
	return list
}

// measure runs kubeadm-arm bench on the board. There is no disk: what one
// measured in memory would say nothing.
func (e emulated) measure(ctx context.Context, work string) ([]byte, error) {
	lab, program := filepath.Join(work, "lab"), filepath.Join(work, "kubeadm-arm")
	if err := build(ctx, "lab", lab, "."); err != nil {
		return nil, err
	}
	// One for ARMv6 runs on all three.
	if err := build(ctx, ".", program, "./cmd/kubeadm-arm", "GOARCH=arm", "GOARM=6"); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, lab, "boot", "--board", e.board, "--bin", program, "--", "kubeadm-arm", "bench", "--folder=", "-o", "json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("measure on %s: %w", e.board, err)
	}
	return out, nil
}

// build builds a program unless it is there.
func build(ctx context.Context, folder, to, pkg string, env ...string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg)
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
