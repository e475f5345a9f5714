package linux

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// userHZ is the unit of the times in /proc/stat and /proc/PID/stat, ticks per
// second. The kernel fixes it at 100 for user space on every architecture that
// Kubernetes was ever built for (proc(5)).
const userHZ = 100

// CPUTimes are sums over all CPUs since the board started, in seconds.
type CPUTimes struct {
	Busy  float64 // everything but idle, waiting for I/O and stolen
	Idle  float64 // idle and waiting for I/O
	Steal float64 // a hypervisor ran something else
	// CPUs is how many there are.
	CPUs int
}

// ParseCPUTimes reads the cpu lines of /proc/stat (proc_stat(5)):
//
//	cpu  user nice system idle iowait irq softirq steal guest guest_nice
//
// Old kernels stop earlier; the fields that are absent count as zero. Guest
// time is part of user time already.
func ParseCPUTimes(text []byte) (CPUTimes, error) {
	var t CPUTimes
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
			t.CPUs++
			continue
		}
		if len(fields) < 5 {
			return CPUTimes{}, fmt.Errorf("parse /proc/stat: the cpu line has %d fields, want at least 5", len(fields))
		}
		found = true
		for i, field := range fields[1:] {
			ticks, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				return CPUTimes{}, fmt.Errorf("parse /proc/stat: cpu line: %w", err)
			}
			seconds := float64(ticks) / userHZ
			switch i {
			case 0, 1, 2, 5, 6: // user nice system irq softirq
				t.Busy += seconds
			case 3, 4: // idle iowait
				t.Idle += seconds
			case 7:
				t.Steal += seconds
			}
		}
	}
	if err := lines.Err(); err != nil {
		return CPUTimes{}, fmt.Errorf("parse /proc/stat: %w", err)
	}
	if !found {
		return CPUTimes{}, fmt.Errorf("parse /proc/stat: no cpu line")
	}
	return t, nil
}
