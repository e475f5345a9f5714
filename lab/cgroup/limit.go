package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Limits of a board's cgroup; zero values set none.
type Limits struct {
	CPU    float64       `json:"cpu"`      // 0.05 is 5 % of one core
	Period time.Duration `json:"periodNs"` // of the CFS quota, 0 means the kernel's 100 ms
	Memory int64         `json:"memory"`   // bytes
	CPUs   int           `json:"cpus"`     // how many CPUs it may run on
}

func (l Limits) String() string {
	text := "unlimited CPU"
	if l.CPU > 0 {
		text = fmt.Sprintf("%.4g %% of a core", l.CPU*100)
	}
	if l.CPUs > 0 {
		text += fmt.Sprintf(", %d CPUs", l.CPUs)
	}
	if l.Memory > 0 {
		text += fmt.Sprintf(", %d MiB", l.Memory>>20)
	}
	return text
}

// FullCore is the largest share of a board whose CPU time is dealt out in slices.
const FullCore = 1.0

// Sliced reports whether a board's CPU time is dealt out in slices.
func (l Limits) Sliced() bool { return l.CPU > 0 && l.CPU < FullCore }

// quota returns the CFS quota and period in microseconds; quota -1 is none.
// The kernel takes periods of 1 ms to 1 s and quotas from 1 ms
// (Documentation/scheduler/sched-bwc.rst).
func (l Limits) quota() (quota, period int64) {
	period = 100_000
	if l.Period > 0 {
		period = l.Period.Microseconds()
	}
	if l.CPU <= 0 {
		return -1, period
	}
	return int64(l.CPU*float64(period) + 0.5), period
}

// Check finds limits that the kernel would refuse.
func (l Limits) Check() error {
	quota, period := l.quota()
	if period < 1000 || period > 1_000_000 {
		return fmt.Errorf("limit the CPU: period %s: the kernel takes 1ms to 1s", l.Period)
	}
	if quota >= 0 && quota < 1000 {
		return fmt.Errorf("limit the CPU: %.4g %% of a period of %d ms is under the kernel's least quota of 1 ms; "+
			"use a longer --period", l.CPU*100, period/1000)
	}
	if l.CPUs < 0 {
		return fmt.Errorf("limit the CPUs: %d: want a number of CPUs", l.CPUs)
	}
	return nil
}

// Limit sets the limits of a running board.
func (c Groups) Limit(l Limits) error {
	if err := l.Check(); err != nil {
		return err
	}
	if l.CPUs > 0 {
		if err := c.limitCPUs(l.CPUs); err != nil {
			return err
		}
	}
	quota, period := l.quota()
	if c.V2 {
		max, memory := "max", "max"
		if quota > 0 {
			max = strconv.FormatInt(quota, 10)
		}
		if l.Memory > 0 {
			memory = strconv.FormatInt(l.Memory, 10)
		}
		if err := c.set("cpu", "cpu.max", fmt.Sprintf("%s %d", max, period)); err != nil {
			return err
		}
		return c.set("memory", "memory.max", memory)
	}
	// The quota goes first back to none: a period and an old quota that do not
	// fit each other are refused.
	if err := c.set("cpu", "cpu.cfs_quota_us", "-1"); err != nil {
		return err
	}
	if err := c.set("cpu", "cpu.cfs_period_us", strconv.FormatInt(period, 10)); err != nil {
		return err
	}
	if err := c.set("cpu", "cpu.cfs_quota_us", strconv.FormatInt(quota, 10)); err != nil {
		return err
	}
	memory := int64(-1)
	if l.Memory > 0 {
		memory = l.Memory
	}
	return c.set("memory", "memory.limit_in_bytes", strconv.FormatInt(memory, 10))
}

// limitCPUs lets the board run on the first n of this machine's CPUs only; its
// programs see that many (sched_getaffinity(2)).
func (c Groups) limitCPUs(n int) error {
	cpus, err := c.FirstCPUs(Root, n)
	if err != nil {
		return err
	}
	return c.set("cpuset", "cpuset.cpus", cpus)
}

// FirstCPUs are the first n that the groups mounted at root allow.
func (c Groups) FirstCPUs(root string, n int) (string, error) {
	file := "cpuset/cpuset.cpus"
	if c.V2 {
		file = "cpuset.cpus.effective"
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return "", fmt.Errorf("limit the CPUs: %w", err)
	}
	cpus, err := ParseCPUList(strings.TrimSpace(string(text)))
	if err != nil {
		return "", err
	}
	if n > len(cpus) {
		return "", fmt.Errorf("limit the CPUs: %d wanted, this machine has %d", n, len(cpus))
	}
	var names []string
	for _, cpu := range cpus[:n] {
		names = append(names, strconv.Itoa(cpu))
	}
	return strings.Join(names, ","), nil
}

// ParseCPUList reads the List Format of cpuset(7), such as "0-2,4".
func ParseCPUList(s string) ([]int, error) {
	var all []int
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		z, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || z < a || z > 1<<16 {
			return nil, fmt.Errorf("read the list of CPUs %q: want the form 0-2,4", s)
		}
		for n := a; n <= z; n++ {
			all = append(all, n)
		}
	}
	return all, nil
}

func (c Groups) set(controller, file, value string) error {
	dir := c.Dir(controller)
	if dir == "" {
		return fmt.Errorf("limit the board: the kernel has no %s controller mounted below %s", controller, Root)
	}
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("limit the board: the %s controller is not handed down to %s", controller, dir)
		}
		return fmt.Errorf("limit the board: %w", err)
	}
	return nil
}
