package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// cpuTimes are the sums over all CPUs since boot, in seconds.
type cpuTimes struct {
	busy  float64 // everything but idle, waiting for I/O and stolen
	idle  float64 // idle and waiting for I/O
	steal float64 // a hypervisor ran something else
	cpus  int
}

// BusyCPU returns the CPU seconds that all processes and the kernel of the board
// have used since it was booted (proc_stat(5)), and 0 where that is not told or,
// under a CPU quota, tells more than this board. root is the root folder that the
// kernel's files are read from.
func BusyCPU(root fs.FS) float64 {
	text, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return 0
	}
	t, err := parseProcStat(text)
	if quota, _ := readCgroupCPU(root); err != nil || quota.cores > 0 {
		return 0
	}
	return t.busy
}

// userHZ is the unit of /proc/stat. The kernel fixes it at 100 for user space
// on every architecture that Kubernetes was ever built for.
const userHZ = 100

// parseProcStat reads the cpu lines of /proc/stat (proc_stat(5)):
//
//	cpu  user nice system idle iowait irq softirq steal guest guest_nice
//
// Old kernels stop earlier; the fields that are absent count as zero. Guest
// time is part of user time already.
func parseProcStat(text []byte) (cpuTimes, error) {
	var t cpuTimes
	found := false
	lines := bufio.NewScanner(bytes.NewReader(text))
	// The interrupt line grows with the interrupts: 64 KB would not do everywhere.
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			t.cpus++
			continue
		}
		if len(fields) < 5 {
			return cpuTimes{}, fmt.Errorf("parse /proc/stat: the cpu line has %d fields, want at least 5", len(fields))
		}
		found = true
		for i, field := range fields[1:] {
			ticks, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				return cpuTimes{}, fmt.Errorf("parse /proc/stat: cpu line: %w", err)
			}
			seconds := float64(ticks) / userHZ
			switch i {
			case 0, 1, 2, 5, 6: // user nice system irq softirq
				t.busy += seconds
			case 3, 4: // idle iowait
				t.idle += seconds
			case 7:
				t.steal += seconds
			}
		}
	}
	if err := lines.Err(); err != nil {
		return cpuTimes{}, fmt.Errorf("parse /proc/stat: %w", err)
	}
	if !found {
		return cpuTimes{}, fmt.Errorf("parse /proc/stat: no cpu line")
	}
	return t, nil
}
