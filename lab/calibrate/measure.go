package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// calibration is one run of the program.
type calibration struct {
	lab                      drive.Lab
	log                      drive.Log
	kubeadmArm, version, out string
	limit                    time.Duration
	rounds                   int
	// reports are those of each board so far, by its name.
	reports map[string][]boardReport
	mu      sync.Mutex // of reports
	// measuring is held while a board starts at full speed and is measured.
	measuring sync.Mutex
}

// boardBench is a file on the board.
const boardBench = "/root/bench.json"

// one makes a board, measures it, bootstraps it and keeps the report.
func (c *calibration) one(ctx context.Context, b board) (err error) {
	on := c.lab.Board(fmt.Sprintf("cal-%d-%s", os.Getpid(), b.name))
	c.measuring.Lock()
	err = on.Up(ctx, append([]string{"--kubernetes", c.version, "--bin", c.kubeadmArm}, b.up()...)...)
	c.measuring.Unlock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.Down(ctx)) }()
	c.log.Printf("%s: benchmark", b.name)
	text, err := c.benchmark(ctx, on, b)
	if err != nil {
		return err
	}
	var measured struct {
		Bench json.RawMessage `json:"bench"`
	}
	if err := json.Unmarshal(text, &measured); err != nil {
		return fmt.Errorf("read the benchmark: %w", err)
	}
	if err := giveStagingBenchmark(ctx, on, text); err != nil {
		return err
	}
	c.log.Printf("%s: init", b.name)
	before, err := on.Status(ctx)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	// kubeadm wants two CPUs.
	lines, err := on.Run(bounded, "kubeadm-arm", "init", "--config", drive.KubeadmConfig, "--ignore-preflight-errors",
		"NumCPU", "--arm-bench", boardBench, "--output", "json")
	if err != nil {
		return err
	}
	after, err := on.Status(ctx)
	if err != nil {
		return err
	}
	path, err := reportPath([]byte(lines))
	if err != nil {
		return err
	}
	report, err := on.Run(ctx, "cat", strings.TrimSuffix(path, ".md")+".json")
	if err != nil {
		return err
	}
	r, err := complete([]byte(report), b.label(), measured.Bench, after.CPU-before.CPU)
	if err != nil {
		return err
	}
	c.log.Printf("%s: API server ready %.1f s after its release, all done after %.1f s", b.name,
		r.waited("kube-apiserver"), r.Outcome.Seconds)
	return c.middleReport(b, r).write(filepath.Join(c.out, b.name+".json"))
}

// benchmark returns the middle one of several: a virtual machine's core is half as
// slow again, or twice, for a moment whenever its host has others to serve. No board
// is, and a bootstrap, which takes a minute, meets the average. So does a paced board's
// quota, which follows in ten seconds.
func (c *calibration) benchmark(ctx context.Context, on drive.Board, b board) ([]byte, error) {
	tries, apart := 7, 4*time.Second
	if b.counted() {
		tries, apart = 1, 0 // the same each time
	}
	var all []tried
	for range tries {
		time.Sleep(apart)
		c.measuring.Lock()
		text, err := on.Run(ctx, "kubeadm-arm", "bench", "--short", "--output", "json")
		c.measuring.Unlock()
		if err != nil {
			return nil, err
		}
		t, err := tryOf([]byte(text))
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return middle(all), nil
}

// giveStagingBenchmark lays a benchmark down on the board with which its
// control plane is staged, for only then does the bootstrap measure the start
// of each component. It is the board's own, on quick boards stretched.
func giveStagingBenchmark(ctx context.Context, on drive.Board, text []byte) error {
	file, err := os.CreateTemp("", "calibrate-*.json")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := file.Close(); err != nil {
		return err
	}
	for factor := 1.0; factor < 1000; factor *= 1.3 {
		scaled, err := stretch(text, factor)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file.Name(), scaled, 0o600); err != nil {
			return err
		}
		if err := on.Copy(ctx, file.Name(), boardBench); err != nil {
			return err
		}
		plan, err := on.Run(ctx, "kubeadm-arm", "init", "--dry-run", "--config", drive.KubeadmConfig, "--arm-bench",
			boardBench, "--output", "json")
		if err != nil {
			return err
		}
		on, err := staged([]byte(plan))
		if err != nil || on {
			return err
		}
	}
	return errors.New("no benchmark makes kubeadm-arm stage the control plane")
}
