package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// benchCache is where the last benchmark is kept for the next init. It lies below
// /run, in memory, and so ends with the board's uptime that it is true for (FHS 3.0,
// 3.15).
const benchCache = "/run/kubeadm-arm/bench.json"

// maxBench bounds that file.
const maxBench = 16 << 20

// measured is a benchmark, what it says about the board's speed, and where it is from.
type measured struct {
	benchmark bench.Result
	speed     plan.Speed
	source    benchSource
}

type benchSource int

const (
	benchNone   benchSource = iota
	benchGiven              // --arm-bench
	benchCached             // an earlier call since the board's start
	benchNew
)

// loadBench reads a benchmark or a report that the owner names.
func loadBench(path string) (*measured, error) {
	r, err := readReport(path)
	if err != nil {
		return nil, err
	}
	missing := ""
	switch {
	case r.Bench == nil:
		missing = "benchmark"
	case len(r.Bench.Samples) == 0:
		missing = "measurement"
	}
	if missing != "" {
		return nil, &problem{exitBadInput, "make one with: kubeadm-arm bench -o json",
			fmt.Errorf("%s: no %s in it", path, missing)}
	}
	folder := ""
	if len(r.Bench.Folders) > 0 {
		folder = r.Bench.Folders[0].Path
	}
	return &measured{*r.Bench, plan.SpeedOf(*r.Bench, folder), benchGiven}, nil
}

// cachedBench is the benchmark in the cache, if there is one that says what a new one
// would: of the same boot, under the same CPU quota, undisturbed, with the disk that
// etcd's data will lie on unless folder is empty.
func cachedBench(folder string) (measured, bool) {
	text, err := safefile.Read(benchCache, maxBench)
	if err != nil {
		return measured{}, false
	}
	r, err := bench.Parse(text)
	if err != nil || !r.StillHolds(bench.Machine()) {
		return measured{}, false
	}
	hasFolder := slices.ContainsFunc(r.Folders, func(f bench.Folder) bool { return f.Path == folder })
	speed := plan.SpeedOf(r, folder)
	if min(speed.Work, speed.HandshakeRSA, speed.HandshakeECDSA) <= 0 || folder != "" && !hasFolder {
		return measured{}, false
	}
	return measured{r, speed, benchCached}, true
}

// runShortBench measures what init needs to know. folder is where etcd's data will lie,
// empty to leave the disk alone.
func runShortBench(ctx context.Context, folder string) (measured, error) {
	options := bench.Options{Short: true, Enough: func(r bench.Result) bool { return plan.SpeedOf(r, folder).Sure() }}
	if folder != "" {
		options.Folders = []string{folder}
	}
	r, err := bench.Run(ctx, options)
	if err != nil {
		return measured{}, err
	}
	return measured{r, plan.SpeedOf(r, folder), benchNew}, nil
}

// storeBench puts a benchmark into the cache. Whether that succeeds does not matter
// much: without it the next init measures again.
func storeBench(r bench.Result) error {
	text, err := json.Marshal(r)
	dir := filepath.Dir(benchCache)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(benchCache, append(text, '\n'), 0o644, renameio.WithTempDir(dir))
	}
	if err != nil {
		return fmt.Errorf("store the benchmark: %w", err)
	}
	return nil
}

// dropBench removes the benchmark from the cache: the folders that it measured lie on
// another disk now.
func dropBench() error {
	if err := os.Remove(benchCache); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
