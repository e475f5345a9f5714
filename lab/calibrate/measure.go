package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// calibration is one run of the program.
type calibration struct {
	lab, kubeadmArm, version, out string
	limit                         time.Duration
	rounds                        int
	// reports are those of each board so far, by its name.
	reports map[string][]boardReport
	began   time.Time
	saying  sync.Mutex
	// measuring is held while a board starts at full speed and is measured.
	measuring sync.Mutex
}

func (c *calibration) say(format string, args ...any) {
	c.saying.Lock()
	defer c.saying.Unlock()
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

// Files on the board.
const (
	boardConfig = "/etc/kubeadm-lab.yaml"
	boardBench  = "/root/bench.json"
)

// one makes a board, measures it, bootstraps it and keeps the report.
func (c *calibration) one(ctx context.Context, b board) (err error) {
	name := fmt.Sprintf("cal-%d-%s", os.Getpid(), b.name)
	c.measuring.Lock()
	_, err = c.command(ctx, append([]string{"up", "--name", name, "--for", strconv.Itoa(os.Getpid()), "--kubernetes", c.version, "--bin", c.kubeadmArm}, b.up()...)...)
	c.measuring.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		// Also after an interruption.
		_, downErr := c.command(context.WithoutCancel(ctx), "down", "--name", name)
		err = errors.Join(err, downErr)
	}()
	c.say("%s: benchmark", b.name)
	text, err := c.benchmark(ctx, name)
	if err != nil {
		return err
	}
	var measured struct {
		Bench json.RawMessage `json:"bench"`
	}
	if err := json.Unmarshal(text, &measured); err != nil {
		return fmt.Errorf("read the benchmark: %w", err)
	}
	if err := c.giveStagingBenchmark(ctx, name, text); err != nil {
		return err
	}
	c.say("%s: init", b.name)
	before, err := c.cpuSeconds(ctx, name)
	if err != nil {
		return err
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	// kubeadm wants two CPUs.
	lines, err := c.onBoard(bounded, name, "kubeadm-arm", "init", "--config", boardConfig, "--ignore-preflight-errors", "NumCPU", "--arm-bench", boardBench, "--output", "json")
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := c.cpuSeconds(ctx, name)
	if err != nil {
		return err
	}
	path, err := reportPath(lines)
	if err != nil {
		return err
	}
	text, err = c.onBoard(ctx, name, "cat", strings.TrimSuffix(path, ".md")+".json")
	if err != nil {
		return err
	}
	r, err := complete(text, b.label(), measured.Bench, after-before)
	if err != nil {
		return err
	}
	c.say("%s: API server ready %.1f s after its release, all done after %.1f s", b.name, r.waited("kube-apiserver"), took.Seconds())
	return c.middleReport(b, r).write(filepath.Join(c.out, b.name+".json"))
}

// benchmark returns the middle one of several: a virtual machine's core is half as
// slow again, or twice, for a moment whenever its host has others to serve. No board
// is, and a bootstrap, which takes a minute, meets the average. So does a paced board's
// quota, which follows in ten seconds.
func (c *calibration) benchmark(ctx context.Context, name string) ([]byte, error) {
	const tries, apart = 7, 4 * time.Second
	var all []tried
	for range tries {
		time.Sleep(apart)
		c.measuring.Lock()
		text, err := c.onBoard(ctx, name, "kubeadm-arm", "bench", "--short", "--output", "json")
		c.measuring.Unlock()
		if err != nil {
			return nil, err
		}
		t, err := tryOf(text)
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
func (c *calibration) giveStagingBenchmark(ctx context.Context, name string, text []byte) error {
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
		if _, err := c.command(ctx, "cp", file.Name(), name+":"+boardBench); err != nil {
			return err
		}
		plan, err := c.onBoard(ctx, name, "kubeadm-arm", "init", "--dry-run", "--config", boardConfig, "--arm-bench", boardBench, "--output", "json")
		if err != nil {
			return err
		}
		on, err := staged(plan)
		if err != nil || on {
			return err
		}
	}
	return errors.New("no benchmark makes kubeadm-arm stage the control plane")
}

// command runs lab.
func (c *calibration) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.lab, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("lab %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes(), nil
}

// onBoard runs a command on the board and returns its standard output.
func (c *calibration) onBoard(ctx context.Context, name string, args ...string) ([]byte, error) {
	return c.command(ctx, append([]string{"run", "--name", name, "--"}, args...)...)
}

// cpuSeconds is what the board has used since it was up.
func (c *calibration) cpuSeconds(ctx context.Context, name string) (float64, error) {
	text, err := c.command(ctx, "status", "--json")
	if err != nil {
		return 0, err
	}
	var all []struct {
		Name string  `json:"name"`
		CPU  float64 `json:"cpuSeconds"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return 0, fmt.Errorf("lab status: %w", err)
	}
	for _, b := range all {
		if b.Name == name {
			return b.CPU, nil
		}
	}
	return 0, fmt.Errorf("lab status: no board %s", name)
}
