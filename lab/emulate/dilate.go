package emulate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// counter is the frequency in Hz of the emulated board's system counter.
const counter = 62_500_000

// maxDilation is how many seconds here one second of a board can take: the
// counter's frequency has 32 bits in a device tree.
const maxDilation = 64

// Dilates reports whether a second of the board can take n seconds here.
func (b Board) Dilates(n int) error {
	if n < 1 || n > maxDilation {
		return fmt.Errorf("time dilation %d: want 1 to %d", n, maxDilation)
	}
	if n > 1 && !slices.Contains(b.withDisk, "virt") {
		return fmt.Errorf("board %s: time dilation: QEMU makes no device tree for it", b.Name)
	}
	return nil
}

// dilated returns the arguments with which QEMU's own machine believes that its
// counter runs so many times as fast as it does. A second on the board then takes so
// many here, and the board is so many times as fast as QEMU: Linux trusts the
// timer node's clock-frequency more than the CPU's own word
// (Documentation/devicetree/bindings/timer/arm,arch_timer.yaml).
func (m Machine) dilated(ctx context.Context, args []string) ([]string, error) {
	machine, cpu := slices.Index(args, "virt"), slices.Index(args, "-cpu")
	args = slices.Clone(args)
	args[cpu+1] += ",cntfrq=" + strconv.Itoa(counter)
	const name = "dilated.dtb"
	dump := slices.Clone(args)
	dump[machine] += ",dumpdtb=" + name
	for _, words := range [][]string{
		append([]string{m.Board.system()}, dump...),
		{"fdtput", "-t", "i", name, "/timer", "clock-frequency", strconv.Itoa(counter * m.Dilation)},
	} {
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Dir = m.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("make the device tree of %s: %w: %s", m.Board.Name, err, out), ctx.Err())
		}
	}
	return append(args, "-dtb", filepath.Join(m.Dir, name)), nil
}
