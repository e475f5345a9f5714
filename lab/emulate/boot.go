package emulate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// patience is for a board to boot, run what it was given, and report.
const patience = 2 * time.Hour

// Result is how a command on a board went. Times are in seconds.
type Result struct {
	Args       []string `json:"args"`
	ExitCode   int      `json:"exitCode"`         // 128+n for signal n, 127 if it could not be started
	Signal     string   `json:"signal,omitempty"` // what ended it, such as "illegal instruction"
	Stdout     string   `json:"stdout"`
	Stderr     string   `json:"stderr"`
	CPUSeconds float64  `json:"cpuSeconds"` // user and system, from the board's kernel
	Seconds    float64  `json:"seconds"`
}

// Job is what a board is booted for.
type Job struct {
	// Files are put on the board, executable: paths on this machine by paths on
	// the board.
	Files map[string]string
	// Commands run one after the other.
	Commands [][]string
	// Counted gives the board one core and makes its clock count instructions, 2 ns each, as of a
	// 1 GHz core that needs two clocks for one. CPU times are then the same on
	// each machine and under each load; else they are what the emulation takes.
	Counted bool
}

// Boot boots the board, does the job and returns how the commands went. Kernels
// and the guest's program are kept in the folder cache.
func (b Board) Boot(ctx context.Context, cache string, job Job) ([]Result, error) {
	packages, err := b.kernel(ctx, cache)
	if err != nil {
		return nil, err
	}
	init, err := b.Guest(ctx, cache)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(job.Commands)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "board-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	all := map[string]string{}
	for to, from := range job.Files {
		all[to] = from
	}
	initramfs := filepath.Join(work, "initramfs")
	if err := writeInitramfs(initramfs, init, all, map[string][]byte{"/commands.json": list}); err != nil {
		return nil, fmt.Errorf("make the root file system of %s: %w", b.Name, err)
	}
	args, err := b.arguments(packages)
	if err != nil {
		return nil, err
	}
	// A tmpfs would take no more than half of the memory.
	args = append(args, "-initrd", initramfs, "-nic", "none", "-serial", "stdio",
		"-append", b.append+" quiet loglevel=0 panic=-1 rdinit=/init rootfstype=ramfs")
	if job.Counted {
		// With a second core, a kernel waiting for the other never ends.
		args = append(args, "-smp", "1", "-icount", "shift=1,sleep=off")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		fmt.Errorf("%s reported nothing within %s", b.Name, patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, b.system(), args...)
	console, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.system(), err)
	}
	text, err := listen(console)
	// Not every board switches itself off.
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, err
	}
	var results []Result
	if err := json.Unmarshal(text, &results); err != nil {
		return nil, fmt.Errorf("read the report of %s: %w", b.Name, err)
	}
	if len(results) != len(job.Commands) {
		return nil, fmt.Errorf("%s reported %d commands, not %d", b.Name, len(results), len(job.Commands))
	}
	return results, nil
}

// arguments are QEMU's for the machine and its kernel.
func (b Board) arguments(packages string) ([]string, error) {
	kernel, err := one(filepath.Join(packages, "boot", "vmlinuz-*"))
	if err != nil {
		return nil, err
	}
	args := append([]string{"-display", "none", "-monitor", "none", "-no-reboot", "-kernel", kernel}, b.qemu...)
	if b.Tree != "" {
		tree, err := b.tree(packages)
		if err != nil {
			return nil, err
		}
		args = append(args, "-dtb", tree)
	}
	return args, nil
}

// tree finds the device tree, which on arm64 lies in its maker's folder.
func (b Board) tree(packages string) (string, error) {
	place := filepath.Join(packages, "usr", "lib", "linux-image-*")
	if b.Debian == "arm64" {
		place = filepath.Join(place, "*")
	}
	return one(filepath.Join(place, b.Tree))
}
