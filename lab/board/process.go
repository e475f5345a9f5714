package board

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process names a process for good: a number alone may come to mean another.
type Process struct {
	PID int `json:"pid"`
	// Started is field 22 of /proc/PID/stat, in clock ticks since boot.
	Started uint64 `json:"started"`
}

// ProcessOf is the process that has the number pid now.
func ProcessOf(pid int) Process { return Process{pid, startTime(pid)} }

// Alive reports whether the process still runs.
func (p Process) Alive() bool {
	return p.PID > 0 && p.Started != 0 && startTime(p.PID) == p.Started
}

// startTime is the start time of a process, 0 when there is none.
func startTime(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// byProgram sums user and system time of living processes.
func byProgram(pids []int) map[string]float64 {
	sum := map[string]float64{}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if name, seconds, ok := parseStatTimes(string(text)); ok {
			sum[name] += seconds
		}
	}
	return sum
}

// writtenBytes sums what living processes, and the children that they waited
// for, sent to disks (proc_pid_io(5)).
func writtenBytes(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if value, ok := strings.CutPrefix(line, "write_bytes: "); ok {
				n, _ := strconv.ParseInt(value, 10, 64)
				sum += n
			}
		}
	}
	return sum
}

// parseStatTimes reads the name and the sum of utime and stime, in seconds, of
// /proc/PID/stat (proc_pid_stat(5)). The name may hold spaces and parentheses.
func parseStatTimes(stat string) (name string, seconds float64, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 13 {
		return "", 0, false
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return "", 0, false
	}
	// Linux shows them in 1/100 s on every CPU that Go knows (USER_HZ).
	const ticks = 100
	return stat[open+1 : end], float64(user+system) / ticks, true
}
