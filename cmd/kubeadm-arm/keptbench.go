package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// keptBench is where the last benchmark is kept for the next init. It lies
// below /run, in memory, and so ends with the board's life that it is true for
// (FHS 3.0, 3.15).
const keptBench = "/run/kubeadm-arm/bench.json"

// keepBench keeps a benchmark for the next init. Whether that succeeds is of no
// great interest: without it the next init measures again.
func keepBench(r bench.Result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the benchmark: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(keptBench), 0o755); err != nil {
		return fmt.Errorf("keep the benchmark: %w", err)
	}
	if err := renameio.WriteFile(keptBench, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(keptBench))); err != nil {
		return fmt.Errorf("keep the benchmark: %w", err)
	}
	return nil
}

// reuse fills in the kept benchmark, if there is one that says what a new one
// would: of the same boot, under the same CPU quota, undisturbed, with the disk
// that etcd's data will lie on unless folder is empty.
func (b *boardRun) reuse(folder string) bool {
	text, err := safefile.Read(keptBench, 16<<20)
	if err != nil {
		return false
	}
	r, err := bench.Parse(text)
	if err != nil || !r.StillHolds(bench.Machine()) {
		return false
	}
	measured := slices.ContainsFunc(r.Folders, func(f bench.Folder) bool { return f.Path == folder })
	speed := plan.SpeedOf(r, folder)
	if min(speed.Work, speed.HandshakeRSA, speed.HandshakeECDSA) <= 0 || folder != "" && !measured {
		return false
	}
	b.bench, b.speed, b.reused = r, speed, true
	return true
}

// forgetBench drops the kept benchmark: the folders that it measured lie on
// another disk now.
func forgetBench() { _ = os.Remove(keptBench) }
