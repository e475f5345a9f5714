package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// period is the CFS period, in microseconds: the kernel's default.
const period = 100_000

func throttledBoards() []board {
	var list []board
	for _, percent := range []int{100, 50, 25, 10, 5, 3} {
		for _, cores := range []int{1, 2} {
			name := fmt.Sprintf("throttled-%03d-%dcore", percent, cores)
			list = append(list, board{
				name:  name,
				label: fmt.Sprintf("a virtual machine with %d %% of one core, on %d", percent, cores),
				measure: func(ctx context.Context) ([]byte, error) {
					return measureThrottled(ctx, name, percent, cores)
				},
			})
		}
	}
	return list
}

// measureThrottled runs this program again within a cgroup of its own.
func measureThrottled(ctx context.Context, name string, percent, cores int) ([]byte, error) {
	group, err := makeGroup(name, percent*period/100)
	if err != nil {
		return nil, err
	}
	defer os.Remove(group)
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-inside", group, "-cores", strconv.Itoa(cores))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("measure within %s: %w", group, err)
	}
	return out.Bytes(), nil
}

// makeGroup makes a cgroup of either version with a quota in microseconds.
func makeGroup(name string, quota int) (string, error) {
	name = "kubeadm-arm-" + name
	v1 := "/sys/fs/cgroup/cpu"
	if _, err := os.Stat(v1 + "/cpu.cfs_quota_us"); err == nil {
		group := filepath.Join(v1, name)
		return group, errors.Join(mkdir(group), put(group, "cpu.cfs_period_us", strconv.Itoa(period)),
			put(group, "cpu.cfs_quota_us", strconv.Itoa(quota)))
	}
	const v2 = "/sys/fs/cgroup"
	group := filepath.Join(v2, name)
	return group, errors.Join(put(v2, "cgroup.subtree_control", "+cpu"), mkdir(group),
		put(group, "cpu.max", fmt.Sprintf("%d %d", quota, period)))
}

func mkdir(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func put(folder, file, text string) error {
	return os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644)
}

// measureInside moves this process into the cgroup and to its cores, starts
// the program afresh there, so that the runtime sees both from the beginning,
// and measures.
func measureInside(ctx context.Context, group string, cores int) error {
	const moved = "BOARDS_MOVED"
	if os.Getenv(moved) == "" {
		if err := put(group, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
			return err
		}
		var set unix.CPUSet
		for i := range cores {
			set.Set(i)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("keep to %d cores: %w", cores, err)
		}
		return unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), moved+"=1"))
	}
	r, err := measure(ctx, "/var/lib")
	if err != nil {
		return err
	}
	return report.JSON(os.Stdout, r)
}
